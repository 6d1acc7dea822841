#pragma once
// What a PKCS#11 module answers (CKR_*), as a sentence for people.
#include <string>
#include <string_view>

#include "daemon/base/result.h"

namespace akm::keyring {

/// `answer` is a CK_RV other than CKR_OK, of the call `what` ("reading the object"). wrong_pin for what the
/// PIN is to blame for, else token_failed.
Error pkcs11_error(unsigned long answer, std::string_view what);

}  // namespace akm::keyring
