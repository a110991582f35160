// How a function of the C interface leaves the library, whose other symbols are hidden.
#pragma once

#if defined(_WIN32)
#define EXPORT extern "C" __declspec(dllexport)
#if defined(__clang__)
// Headers declare the functions for those who call them, too, and leave this out.
#pragma clang diagnostic ignored "-Wdll-attribute-on-redeclaration"
#endif
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif
