#pragma once
// What can be asked about the sealing of a daemon's storage key (D-Bus org.akm.Sealing1): the adaptor knows
// it only through this.
#include <cstdint>
#include <map>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/base/secret.h"

namespace akm {

struct PcrFacts {
  std::uint32_t mask = 0;             // bit n for PCR n, SHA-256 bank; 0: not sealed to PCRs
  std::vector<std::uint8_t> sealed;   // values at sealing, by rising number, 32 bytes each
  std::vector<std::uint8_t> present;  // of this moment
  std::uint32_t authorised = 0;       // how many further sets the policy key has signed
  bool policy_key = false;            // there is one that may sign
};

/// PCR number to the value that it will have; the others stay as they are at present.
using PcrChanges = std::map<std::uint32_t, std::vector<std::uint8_t>>;

struct PcrPrediction {
  std::vector<std::uint8_t> values;   // of all PCRs that the key is sealed to
  std::vector<std::uint8_t> to_sign;  // by the policy key, ECDSA with SHA-256
};

class SealingPort {
 public:
  virtual ~SealingPort() = default;
  virtual void pcrs(Reply<PcrFacts> reply) = 0;
  virtual void predict(PcrChanges changes, Reply<PcrPrediction> reply) = 0;
  /// `signature`: DER, over what predict() gave for the same changes.
  virtual void authorise(PcrChanges changes, std::vector<std::uint8_t> signature, Done done) = 0;
  /// Seals the storage key anew as the configuration says: to its PCRs, with this secret as the other way in.
  virtual void reseal(SecretBuffer secret, Done done) = 0;
  /// Opens the key by the secret that it was sealed with, whatever the PCRs, and seals it anew.
  virtual void recover(SecretBuffer secret, Done done) = 0;
};

}  // namespace akm
