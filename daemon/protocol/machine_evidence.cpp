#include "daemon/protocol/machine_evidence.h"

#include <algorithm>

#include "daemon/base/clean_text.h"
#include "daemon/crypto/digest.h"
#include "daemon/protocol/cbor.h"

namespace akm::protocol {
namespace {

constexpr std::string_view kLabel("akm1 source\0", 12);
constexpr std::uint8_t kZero[] = {0};

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

const SourceDigest* find(const SourceDigests& in, std::string_view name) {
  const auto at = std::ranges::find(in, name, &SourceDigest::name);
  return at == in.end() ? nullptr : &*at;
}

}  // namespace

SourceDigests source_digests(std::span<const HardwareSource> sources) {
  SourceDigests out;
  for (const HardwareSource& source : sources) {
    out.push_back({source.name,
                   crypto::sha256({bytes_of(kLabel), bytes_of(source.name), kZero, bytes_of(source.value)})});
  }
  return out;
}

std::vector<std::string> changed_sources(const SourceDigests& before, const SourceDigests& now) {
  std::vector<std::string> out;
  for (const SourceDigest& was : before) {
    const SourceDigest* is = find(now, was.name);
    if (is == nullptr) {
      out.push_back(was.name + " gone");
    } else if (is->digest != was.digest) {
      out.push_back(was.name + " changed");
    }
  }
  for (const SourceDigest& is : now) {
    if (find(before, is.name) == nullptr) out.push_back(is.name + " new");
  }
  return out;
}

bool is_another_machine(const SourceDigests& before, const SourceDigests& now, MissingSource missing) {
  bool other = false;
  for (const SourceDigest& was : before) {
    const SourceDigest* is = find(now, was.name);
    if (is != nullptr && is->digest == was.digest) return false;
    if (is != nullptr || missing == MissingSource::other) other = true;
  }
  return other;
}

void write_sources(CborWriter& writer, const SourceDigests& sources) {
  writer.array(sources.size());
  for (const SourceDigest& source : sources) {
    writer.array(2);
    writer.text(source.name);
    writer.bytes(source.digest);
  }
}

SourceDigests read_sources(CborReader& reader) {
  SourceDigests out;
  for (std::size_t left = reader.array(kSourcesMost); left > 0 && reader.ok(); --left) {
    if (reader.array(2) != 2) reader.refuse("source");
    SourceDigest& source = out.emplace_back();
    source.name = reader.text(kSourceNameBytes, 1);
    if (!is_clean_text(source.name)) reader.refuse("source");
    std::ranges::copy(reader.bytes(source.digest.size(), source.digest.size()), source.digest.begin());
  }
  return out;
}

}  // namespace akm::protocol
