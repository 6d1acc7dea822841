#pragma once
// Control messages (section 6): the 12 bytes before each fragment, cutting a body into fragments and putting
// it together again. Bodies are in control_body.h.
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "daemon/base/secret.h"
#include "daemon/protocol/control_method.h"
#include "daemon/protocol/frame.h"
#include "daemon/protocol/limits.h"

namespace akm::protocol {

enum class MessageKind : std::uint8_t { request = 0, response = 1, one_way = 2 };
inline constexpr std::size_t kFragmentHeaderBytes = 12;
/// Bytes of body in each fragment but the last.
inline constexpr std::size_t kFragmentBytes = kFramePayloadBytes - kFragmentHeaderBytes;

/// Fields in wire order.
struct FragmentHeader {
  std::uint32_t request_id = 0;
  MessageKind kind = MessageKind::request;
  Method method = Method::activate;
  std::uint16_t fragment = 0;
  std::uint16_t fragments = 1;
  ControlStatus status = ControlStatus::ok;
  bool operator==(const FragmentHeader&) const = default;
};

struct Fragment {
  FragmentHeader header;
  std::span<const std::uint8_t> bytes;  // borrowed
};

void encode_fragment_header(const FragmentHeader& header, std::span<std::uint8_t, kFragmentHeaderBytes> out);
/// The payload of one control frame. malformed: unknown kind, method or status, a request with a status, a
/// fragment index beyond the count, a count of 0 or above kFragments, a fragment but the last that is not
/// full, an empty one among several.
Result<Fragment> decode_fragment(std::span<const std::uint8_t> payload);

/// Cuts a body into payloads. The body is borrowed and must stay while fragments are written.
class Fragmenter {
 public:
  /// too_large above kRequestBodyBytes.
  static Result<Fragmenter> create(const FragmentHeader& header, std::span<const std::uint8_t> body);
  [[nodiscard]] std::uint16_t count() const { return header_.fragments; }
  /// Size of the payload of fragment `index` < count(), header included.
  [[nodiscard]] std::size_t payload_size(std::uint16_t index) const;
  /// `out` is payload_size(index) long. Bodies may hold secrets: write where the frame is sealed in place.
  void write(std::uint16_t index, std::span<std::uint8_t> out) const;

 private:
  Fragmenter(const FragmentHeader& header, std::span<const std::uint8_t> body)
      : header_(header), body_(body) {}

  FragmentHeader header_;
  std::span<const std::uint8_t> body_;
};

struct ControlMessage {
  FragmentHeader header;  // fragment 0
  SecretBuffer body;      // may hold credentials
};

/// Puts together what one peer's incarnation sends: at most kReassembliesPerPeer at once, the oldest gives
/// way. Call clear() when the peer's incarnation changes.
class Reassembler {
 public:
  /// The message when this fragment was its last one; nothing while others are missing or when it is a
  /// repeated one. malformed when it contradicts earlier fragments of its message; too_large.
  Result<std::optional<ControlMessage>> add(const Fragment& fragment);
  void clear() { partial_.clear(); }
  [[nodiscard]] std::size_t pending() const { return partial_.size(); }

 private:
  struct Partial {
    FragmentHeader header;
    SecretBuffer body;
    std::uint64_t have = 0;  // bit per fragment; kFragments is 64
    std::size_t size = 0;    // known once the last one is here
  };

  std::vector<Partial> partial_;  // oldest first
};

}  // namespace akm::protocol
