/* Linux's queue of events, which Swift's module for glibc leaves out. */
#ifndef CASEMATE_CEPOLL_H
#define CASEMATE_CEPOLL_H

#include <sys/epoll.h>

#endif
