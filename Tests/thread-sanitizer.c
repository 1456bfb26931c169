// Linked by `Tests/run --sanitize=thread`. Tells ThreadSanitizer about the contended half of Synchronization.Mutex.
//
// The uncontended half is inlined into our code and instrumented there. The other half is in the toolchain's library,
// which is not: without this every contended lock looks like a race. These two definitions win over the library's,
// because the executable is searched first.

#include <dlfcn.h>
#include <stdint.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

// Synchronization._MutexHandle._lockSlow(UInt32) and ._unlockSlow(), which its inlined callers fix as ABI.
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

typedef __attribute__((swiftcall)) void Lock(uint32_t thread, __attribute__((swift_context)) void *mutex);
typedef __attribute__((swiftcall)) void Unlock(__attribute__((swift_context)) void *mutex);

Lock lockSlow __asm__(LOCK);
Unlock unlockSlow __asm__(UNLOCK);

static Lock *libraryLock;
static Unlock *libraryUnlock;

__attribute__((constructor)) static void findLibrary(void) {
    libraryLock = (Lock *)dlsym(RTLD_NEXT, LOCK);
    libraryUnlock = (Unlock *)dlsym(RTLD_NEXT, UNLOCK);
}

__attribute__((swiftcall)) void lockSlow(uint32_t thread, __attribute__((swift_context)) void *mutex) {
    libraryLock(thread, mutex);
    __tsan_acquire(mutex);
}

__attribute__((swiftcall)) void unlockSlow(__attribute__((swift_context)) void *mutex) {
    __tsan_release(mutex);
    libraryUnlock(mutex);
}
