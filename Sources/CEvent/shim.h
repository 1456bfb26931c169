#ifndef PERMAFROST_CEVENT_SHIM_H
#define PERMAFROST_CEVENT_SHIM_H

#include <event2/event.h>
#include <event2/listener.h>
#include <pthread.h>
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

// At most 15 bytes. A GNU extension, which Swift's own Glibc module leaves out.
static inline int cevent_name_thread(const char *name) {
    return pthread_setname_np(pthread_self(), name);
}

#endif
