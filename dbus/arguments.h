#pragma once
// What callers may say, beside types: every argument is checked before anything is done with it. All return
// invalid_argument with a sentence that names the rule.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"
#include "dbus/message.h"

namespace akm::dbus {

/// Name of a node or label of a relationship: 1 to 64 bytes of plain text, no "/", no "." or "-" at the
/// start.
Result<std::string> read_name(Reader& in, std::string_view what);
/// Absolute, at most 4095 bytes, no empty, "." or ".." component (one "/" at the end is taken off).
Result<std::string> read_path(Reader& in, std::string_view what);
/// An RFC 7512 URI: "pkcs11:" and printable ASCII, at most 1024 bytes, without a PIN and without a module in
/// it.
Result<std::string> read_token_uri(Reader& in);
/// At most kEndpoints numeric endpoints with a port, each once.
Result<std::vector<std::string>> read_endpoints(Reader& in);
/// 32 bytes, or none.
Result<std::vector<std::uint8_t>> read_hardware_value(Reader& in);
/// 1 to kNodesPerAsr ids, none of them 0, each once.
Result<std::vector<std::uint64_t>> read_node_ids(Reader& in);
/// Not 0.
Result<std::uint64_t> read_id(Reader& in, std::string_view what);
/// Keys of a-z, 0-9 and "_"; values plain text.
Result<std::map<std::string, std::string>> read_policy(Reader& in);
/// A memfd with write, grow and shrink seals, 1 to `limit_bytes` long.
Result<UniqueFd> read_sealed_fd(Reader& in, std::size_t limit_bytes);

}  // namespace akm::dbus
