#ifndef PERMAFROST_CCURL_SHIM_H
#define PERMAFROST_CCURL_SHIM_H

// First, so that the system types in libcurl's headers are those of Swift's own Glibc module. Else they count as this
// module's wherever it happens to be loaded first, and code that uses `timespec` or `sockaddr` beside HTTPTransport
// compiles or not by the order of files.
#if __has_feature(modules)
#pragma clang module import SwiftGlibc
#endif

#include <curl/curl.h>
#include <nss.h>
#include <openssl/sha.h>

// curl_easy_setopt and its relatives are variadic, and Swift cannot call a variadic C function. Each wrapper below is
// one argument type of theirs.

typedef size_t (*ccurl_transfer_callback)(char *bytes, size_t size, size_t count, void *owner);
typedef int (*ccurl_seek_callback)(void *owner, curl_off_t offset, int origin);

// The macro has a cast, which the importer does not read.
static const long ccurl_auth_basic = (long)CURLAUTH_BASIC;

static inline CURLcode ccurl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}

// libcurl copies the text.
static inline CURLcode ccurl_set_string(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}

// The list stays the caller's: it must outlive the transfer.
static inline CURLcode ccurl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_transfer_callback(CURL *handle, CURLoption option, ccurl_transfer_callback value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_seek_callback(CURL *handle, ccurl_seek_callback value) {
    return curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, value);
}

static inline CURLcode ccurl_get_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}

static inline CURLcode ccurl_get_offset(CURL *handle, CURLINFO info, curl_off_t *value) {
    return curl_easy_getinfo(handle, info, value);
}

// Names come from /etc/hosts and DNS only. A static binary would else load whatever modules the image's nsswitch.conf
// names, built for another libc.
static inline int ccurl_resolve_from_files_and_dns(void) {
    return __nss_configure_lookup("hosts", "files dns");
}

// 32 bytes of SHA-256, from the libcrypto that libcurl brings along.
static inline void ccurl_sha256(const void *bytes, size_t count, unsigned char *digest) {
    SHA256((const unsigned char *)bytes, count, digest);
}

#endif
