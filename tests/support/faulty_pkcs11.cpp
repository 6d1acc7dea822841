// A PKCS#11 module that misbehaves on order: it stands before SoftHSM2 and passes each call on, but the n-th.
// A test in the same process gives the plan (faulty_pkcs11.h); for a daemon, the file that AKM_FAULTY_TOKEN
// names holds flags to add to the token's, as a number, and each login is noted in that file with ".logins";
// while there is one with ".hang", no session opens.
#include "tests/support/faulty_pkcs11.h"

#include <p11-kit/pkcs11.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <tuple>

using akm::test::Pkcs11Fault;
using akm::test::Pkcs11Plan;

extern "C" {
__attribute__((visibility("default"))) Pkcs11Plan faulty_pkcs11_plan;
}

namespace {

Pkcs11Plan& plan = faulty_pkcs11_plan;
CK_FUNCTION_LIST* real = nullptr;

void alter(unsigned char* bytes, CK_ULONG* size) {
  switch (plan.fault) {
    case Pkcs11Fault::flip:
      if (bytes != nullptr && *size > 0 && *size < 100000) bytes[*size - 1] ^= 1;
      return;
    case Pkcs11Fault::shorten:
      if (*size > 0) --*size;
      return;
    case Pkcs11Fault::absurd_length:
      *size = CK_ULONG{1} << 60;
      return;
    case Pkcs11Fault::none_found:
      *size = 0;
      return;
    case Pkcs11Fault::refuse:
    case Pkcs11Fault::lose:
      return;
  }
}

// Members of different types do not compare.
template <auto One, auto Other>
constexpr bool kSame = false;
template <auto One>
constexpr bool kSame<One, One> = true;

// What a call wrote, of those that say something.
template <auto Member, typename... Args>
void alter_answer(Args... args) {
  [[maybe_unused]] const std::tuple<Args...> all(args...);
  if constexpr (kSame<Member, &CK_FUNCTION_LIST::C_GetAttributeValue>) {
    CK_ATTRIBUTE* attribute = std::get<2>(all);
    alter(static_cast<unsigned char*>(attribute->pValue), &attribute->ulValueLen);
  } else if constexpr (kSame<Member, &CK_FUNCTION_LIST::C_Encrypt> ||
                       kSame<Member, &CK_FUNCTION_LIST::C_Decrypt>) {
    alter(std::get<3>(all), std::get<4>(all));
  } else if constexpr (kSame<Member, &CK_FUNCTION_LIST::C_WrapKey>) {
    alter(std::get<4>(all), std::get<5>(all));
  } else if constexpr (kSame<Member, &CK_FUNCTION_LIST::C_FindObjects>) {
    alter(nullptr, std::get<3>(all));
  } else if constexpr (kSame<Member, &CK_FUNCTION_LIST::C_GetSlotList>) {
    alter(nullptr, std::get<2>(all));
  }
}

void note_login() {
  ++plan.logins;
  const char* const file = std::getenv("AKM_FAULTY_TOKEN");
  if (file == nullptr) return;
  std::FILE* const out = std::fopen((std::string(file) + ".logins").c_str(), "a");
  if (out == nullptr) return;
  (void)std::fputs("login\n", out);
  (void)std::fclose(out);
}

/// As long as there is a file of this name, as a module that waits for its device.
void wait_for_device() {
  const char* const file = std::getenv("AKM_FAULTY_TOKEN");
  const std::string hang = file == nullptr ? "" : std::string(file) + ".hang";
  while (!hang.empty() && ::access(hang.c_str(), F_OK) == 0) (void)::usleep(20'000);
}

unsigned long added_flags() {
  unsigned long flags = plan.add_flags;
  const char* const file = std::getenv("AKM_FAULTY_TOKEN");
  std::FILE* const in = file == nullptr ? nullptr : std::fopen(file, "r");
  if (in == nullptr) return flags;
  unsigned long more = 0;
  if (std::fscanf(in, "%lu", &more) == 1) flags |= more;
  (void)std::fclose(in);
  return flags;
}

template <auto Member>
struct Thunk;
template <typename... Args, CK_RV (*CK_FUNCTION_LIST::*Member)(Args...)>
struct Thunk<Member> {
  static CK_RV call(Args... args) {
    if constexpr (kSame<Member, &CK_FUNCTION_LIST::C_Login>) note_login();
    if constexpr (kSame<Member, &CK_FUNCTION_LIST::C_OpenSession>) wait_for_device();
    const bool now = ++plan.calls == plan.fail_at;
    if (now && plan.fault == Pkcs11Fault::refuse) return plan.answer;
    CK_RV answer = (real->*Member)(args...);
    if constexpr (kSame<Member, &CK_FUNCTION_LIST::C_GetTokenInfo>) {
      if (answer == CKR_OK) std::get<1>(std::tuple(args...))->flags |= added_flags();
    }
    if constexpr (kSame<Member, &CK_FUNCTION_LIST::C_GetMechanismInfo>) {
      if (plan.without_gcm && std::get<1>(std::tuple(args...)) == CKM_AES_GCM) return CKR_MECHANISM_INVALID;
      if (plan.without_wrap && std::get<1>(std::tuple(args...)) == CKM_AES_KEY_WRAP)
        return CKR_MECHANISM_INVALID;
    }
    if (!now) return answer;
    if (plan.fault == Pkcs11Fault::lose) {
      // A module that could not be initialised is not: else p11-kit takes it for another's, and ends it
      // never.
      if constexpr (kSame<Member, &CK_FUNCTION_LIST::C_Initialize>) (void)real->C_Finalize(nullptr);
      return plan.answer;
    }
    if (answer == CKR_OK) alter_answer<Member>(args...);
    return answer;
  }
};

template <auto Member>
void wrap(CK_FUNCTION_LIST& list) {
  list.*Member = Thunk<Member>::call;
}

// Every function that the product calls; the others are the real ones.
template <auto... Members>
void wrap_all(CK_FUNCTION_LIST& list) {
  (wrap<Members>(list), ...);
}

CK_FUNCTION_LIST* make_list() {
  static CK_FUNCTION_LIST list;
  const char* const path = std::getenv("AKM_FAULTY_REAL");
  void* const module =
      ::dlopen(path != nullptr ? path : "/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) return nullptr;
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(module, "C_GetFunctionList"));
  if (get == nullptr || get(&real) != CKR_OK) return nullptr;
  list = *real;
  using L = CK_FUNCTION_LIST;
  wrap_all<&L::C_Initialize, &L::C_GetSlotList, &L::C_GetSlotInfo, &L::C_GetTokenInfo, &L::C_GetMechanismInfo,
           &L::C_OpenSession, &L::C_CloseSession, &L::C_Login, &L::C_Logout, &L::C_CreateObject,
           &L::C_WrapKey, &L::C_UnwrapKey, &L::C_DestroyObject, &L::C_GetAttributeValue,
           &L::C_FindObjectsInit, &L::C_FindObjects, &L::C_FindObjectsFinal, &L::C_EncryptInit, &L::C_Encrypt,
           &L::C_DecryptInit, &L::C_Decrypt, &L::C_GenerateKey>(list);
  return &list;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static CK_FUNCTION_LIST* const made = make_list();
  if (made == nullptr) return CKR_GENERAL_ERROR;
  *list = made;
  return CKR_OK;
}
