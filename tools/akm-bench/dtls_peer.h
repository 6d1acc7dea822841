#pragma once
// A peer: what one would take instead for new keys between two parties that share a secret.
#include <openssl/ssl.h>

#include <memory>

namespace akm::bench {

/// DTLS 1.2 with a pre-shared key (PSK-AES256-GCM-SHA384), OpenSSL, both ends in this process over memory.
class DtlsPsk {
 public:
  DtlsPsk();
  /// One whole handshake: new keys on both sides.
  void handshake();

 private:
  using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
  Context client_;
  Context server_;
};

}  // namespace akm::bench
