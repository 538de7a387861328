/* COM2, a 16550, by its ports: docs/decisions/0023-agent.md says why not by Linux's driver. */
#define _GNU_SOURCE

#include "CControl.h"

#include <errno.h>
#include <sched.h>
#include <sys/io.h>

/* Registers of the National Semiconductor PC16550D, from the first port of COM2. */
enum {
    first_port = 0x2f8,
    port_count = 8,
    data = first_port,                  /* receive and transmit; divisor, low, with DLAB */
    interrupt_enable = first_port + 1,  /* divisor, high, with DLAB */
    fifo_control = first_port + 2,
    line_control = first_port + 3,
    modem_control = first_port + 4,
    line_status = first_port + 5,
    scratch = first_port + 7,
};
enum { fifo_size = 16, data_ready = 0x01, transmitter_empty = 0x20 };

int control_line_open(void) {
    if (ioperm(first_port, port_count, 1) < 0) return -errno;
    outb(0x5a, scratch);
    if (inb(scratch) != 0x5a) return -ENODEV;
    outb(0, interrupt_enable);
    outb(0x80, line_control); /* DLAB */
    outb(1, data);
    outb(0, interrupt_enable);
    outb(0x03, line_control);  /* 8 data bits, no parity, 1 stop bit */
    outb(0x07, fifo_control);  /* on, and both emptied */
    outb(0x03, modem_control); /* DTR, RTS */
    return 0;
}

int control_line_receive(uint8_t *bytes, size_t capacity) {
    size_t count = 0;
    while (count < capacity && inb(line_status) & data_ready) bytes[count++] = inb(data);
    return (int)count;
}

int control_line_send(const uint8_t *bytes, size_t count) {
    uint64_t last = control_milliseconds();
    for (size_t done = 0; done < count;) {
        if (inb(line_status) & transmitter_empty) {
            for (int room = fifo_size; room > 0 && done < count; room--) outb(bytes[done++], data);
            last = control_milliseconds();
        } else if (control_milliseconds() - last > 5000) {
            return -ETIMEDOUT;
        } else {
            sched_yield();
        }
    }
    return 0;
}
