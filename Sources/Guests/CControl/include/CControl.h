/* What the agent of the control compartment asks of Linux and, through /dev/xen/privcmd, of the
 * hypervisor, with plain numbers at the border. Numbers and structures come from the headers of
 * `libxen-dev`, and from docs/abi/hypercalls.md where Casemate has its own.
 *
 * Each function returns the result, zero or above, or an `errno` below zero. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Opens the ports of COM2 to this process and sets the line up: 115,200 bits a second, 8 data bits,
 * no interrupts, empty FIFOs. `-ENODEV` when no UART answers there. Returns 0. */
int control_line_open(void);

/* Takes what has come, at most `capacity` bytes, without waiting. Returns the count. */
int control_line_receive(uint8_t *bytes, size_t capacity);

/* Sends bytes; `-ETIMEDOUT` when nothing was taken for five seconds. Returns 0. */
int control_line_send(const uint8_t *bytes, size_t count);

/* Opens `/dev/xen/privcmd`. Returns the descriptor. */
int control_hypervisor_open(void);

/* `XEN_DOMCTL_getdomaininfo`: `flags`, and the generation, the first bytes of `handle`.
 * Returns 0. */
int control_domain_state(int device, uint16_t domain, uint32_t *flags, uint32_t *generation);

/* `XEN_DOMCTL_unpausedomain` when `starts`, else `XEN_DOMCTL_destroydomain`. Returns 0. */
int control_domain_order(int device, int starts, uint16_t domain);

/* `FLASK_LOAD`: the hypervisor's reason goes to `reason`, 0 when it gave none. Returns 0. */
int control_load(int device, const uint8_t *archive, size_t size, uint32_t *reason);

/* The records that one call of `CASEMATE_REVOKED` returns at most, of 12 bytes each. */
enum { control_revoked_records = 8 };

/* `CASEMATE_REVOKED` from record `first` on. Returns how many records were written. */
int control_revoked(int device, uint32_t first, uint32_t *sequence, uint32_t *total,
                    uint8_t records[control_revoked_records * 12]);

/* The bytes that one call of `CASEMATE_LOG` returns at most. */
enum { control_log_bytes = 96 };

/* `CASEMATE_LOG` from byte `first` on; `total` is how long the log is. Returns how many bytes were
 * written. */
int control_log(int device, uint32_t first, uint32_t *total, uint8_t bytes[control_log_bytes]);

/* `XEN_SYSCTL_readconsole`: what the last call returned is forgotten then. Returns the count. */
int control_records(int device, uint8_t *bytes, size_t capacity);

/* Fills `bytes` with random numbers; waits until the kernel has some. Returns 0. */
int control_random(uint8_t *bytes, size_t count);

/* The longest command or response of the TPM. */
enum { control_tpm_bytes = 4096 };

/* Has `/dev/tpm0` run a command, in a thread: Linux's device makes whoever looks for a response
 * wait for it. `-ENOENT` when there is no TPM, `-EBUSY` when somebody else has it open, or the last
 * response was not taken. Returns 0. */
int control_tpm_begin(const uint8_t *command, size_t count);

/* Takes the response to that command. Returns its length; 0 as long as there is none; what Linux
 * answered, `-ETIME` when its driver has waited as long as it does. */
int control_tpm_take(uint8_t *response, size_t capacity);

/* Reads at most `capacity` bytes of a file. Returns the count. */
int control_read_file(const char *path, uint8_t *bytes, size_t capacity);

/* Writes to standard output in one call. Returns the count. */
int control_write(const uint8_t *bytes, size_t count);

/* The time since the start. */
uint64_t control_milliseconds(void);

/* Sleeps. */
void control_sleep(uint32_t milliseconds);
