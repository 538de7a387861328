/* What Swift's module for glibc leaves out: Linux's queue of events, and files in memory. */
#ifndef CASEMATE_CEPOLL_H
#define CASEMATE_CEPOLL_H

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A new file in memory, which programs that are started inherit; negative on an error. */
static inline int casemate_memory_file(void) {
    return (int)syscall(SYS_memfd_create, "casemate-xenstored", 0);
}

#endif
