#pragma once
// The plan of faulty_pkcs11.so, which a test shares with it by dlsym("faulty_pkcs11_plan").
#include <dlfcn.h>

#include <cstdlib>

namespace akm::test {

enum class Pkcs11Fault : int {
  refuse,         // the call is not made; it answers `answer`
  lose,           // the call is made, and answers `answer` all the same
  flip,           // the call is made, and what it wrote is altered by one bit
  shorten,        // the call is made, and says that it wrote less
  absurd_length,  // the call is made, and says that it wrote 2^60 bytes
  none_found,     // the call is made, and says that there is nothing
};

struct Pkcs11Plan {
  unsigned long fail_at = 0;  // the n-th call from now on; 0: none
  Pkcs11Fault fault = Pkcs11Fault::refuse;
  unsigned long answer = 0;
  unsigned long calls = 0;      // made so far
  unsigned long add_flags = 0;  // to what C_GetTokenInfo says
  unsigned long logins = 0;     // calls of C_Login
  bool without_gcm = false;     // CKM_AES_GCM is not there
  bool without_wrap = false;    // nor CKM_AES_KEY_WRAP
};

/// Loads the module and keeps it loaded; null when it cannot be had.
inline Pkcs11Plan* faulty_pkcs11(const char* path) {
  void* const module = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  return module == nullptr ? nullptr : static_cast<Pkcs11Plan*>(::dlsym(module, "faulty_pkcs11_plan"));
}

}  // namespace akm::test
