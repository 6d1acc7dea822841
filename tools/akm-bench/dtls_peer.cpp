#include "tools/akm-bench/dtls_peer.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "tools/akm-bench/measure.h"

namespace akm::bench {
namespace {

constexpr std::array<std::uint8_t, 32> kSharedKey{1, 2, 3};
constexpr const char* kCipher = "PSK-AES256-GCM-SHA384";
constexpr long kMtu = 1400;
constexpr int kTurns = 8;  // flights of a handshake, with room

unsigned give_key(unsigned char* psk, unsigned room) {
  if (room < kSharedKey.size()) return 0;
  std::ranges::copy(kSharedKey, psk);
  return static_cast<unsigned>(kSharedKey.size());
}

unsigned client_key(SSL*, const char*, char* identity, unsigned identity_room, unsigned char* psk,
                    unsigned room) {
  if (identity_room < 2) return 0;
  identity[0] = 'n';
  identity[1] = 0;
  return give_key(psk, room);
}

unsigned server_key(SSL*, const char*, unsigned char* psk, unsigned room) {
  return give_key(psk, room);
}

using Connection = std::unique_ptr<SSL, decltype(&SSL_free)>;

/// Takes over one reference of each BIO.
Connection connection(SSL_CTX* context, BIO* in, BIO* out) {
  Connection made(SSL_new(context), SSL_free);
  if (!made) stop("SSL_new");
  SSL_set_options(made.get(), SSL_OP_NO_QUERY_MTU);
  (void)DTLS_set_link_mtu(made.get(), kMtu);
  SSL_set_bio(made.get(), in, out);
  return made;
}

BIO* memory() {
  BIO* bio = BIO_new(BIO_s_mem());
  if (bio == nullptr) stop("BIO_new");
  BIO_set_mem_eof_return(bio, -1);  // empty: try again, not the end
  return bio;
}

}  // namespace

DtlsPsk::DtlsPsk()
    : client_(SSL_CTX_new(DTLS_client_method()), SSL_CTX_free),
      server_(SSL_CTX_new(DTLS_server_method()), SSL_CTX_free) {
  for (SSL_CTX* context : {client_.get(), server_.get()}) {
    if (context == nullptr || SSL_CTX_set_cipher_list(context, kCipher) != 1) stop("DTLS context");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  }
  SSL_CTX_set_psk_client_callback(client_.get(), client_key);
  SSL_CTX_set_psk_server_callback(server_.get(), server_key);
}

void DtlsPsk::handshake() {
  BIO* to_server = memory();
  BIO* to_client = memory();
  BIO_up_ref(to_server);
  BIO_up_ref(to_client);
  const Connection client = connection(client_.get(), to_client, to_server);
  const Connection server = connection(server_.get(), to_server, to_client);
  SSL_set_connect_state(client.get());
  SSL_set_accept_state(server.get());
  for (int turn = 0; turn < kTurns; ++turn) {
    const bool done = SSL_do_handshake(client.get()) == 1;
    if (SSL_do_handshake(server.get()) == 1 && done) return;
  }
  stop("the DTLS handshake did not end");
}

}  // namespace akm::bench
