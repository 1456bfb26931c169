#ifndef PERMAFROST_CEVENT_SHIM_H
#define PERMAFROST_CEVENT_SHIM_H

// First, so that the system types in libevent's headers are those of Swift's own Glibc module. Else they count as this
// module's wherever it happens to be loaded first, and code that uses `timespec` or `sockaddr` beside HTTPTransport
// compiles or not by the order of files.
#if __has_feature(modules)
#pragma clang module import SwiftGlibc
#endif

#include <event2/event.h>
#include <event2/listener.h>
#include <sys/eventfd.h>

// A counter that is readable when it is not 0. Not part of Swift's own Glibc module.
static inline int cevent_wake_descriptor(void) {
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

// The type's own initialiser belongs to another module in a static build.
static inline struct timeval cevent_interval(long seconds, long microseconds) {
    struct timeval interval = {seconds, microseconds};
    return interval;
}

// A GNU extension, which Swift's own Glibc module leaves out.
extern int pthread_setname_np(unsigned long thread, const char *name);

// At most 15 bytes.
static inline int cevent_name_thread(const char *name) {
    return pthread_setname_np(pthread_self(), name);
}

#endif
