#include "tools/akmctl/direct_word.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "daemon/base/hex.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

/// What the operator says of the fingerprint: the text that is to be compared, empty for no.
std::string operators_word(const DirectOffer& offer, const DirectWord& word, std::string_view look) {
  if (!word.fingerprint.empty()) return word.fingerprint;
  if (word.yes || !offer.confirm) return offer.fingerprint;
  if (::isatty(STDIN_FILENO) == 0) return {};
  fmt::print(stderr, "Does the other machine show the same fingerprint ({})? [yes/no] ", look);
  std::string line;
  std::getline(std::cin, line);
  return line == "yes" ? offer.fingerprint : std::string();
}

}  // namespace

Result<std::uint64_t> confirm_offer(const Session& session, const DirectOffer& offer, const DirectWord& word,
                                    std::string_view look,
                                    const std::function<Result<std::uint64_t>(const std::string&)>& confirm) {
  if (!session.options.json) {
    fmt::print(stdout, "{}",
               facts({{"Fingerprint", offer.fingerprint}, {"Hardware value", hex(offer.hardware_value)}}));
    std::fflush(stdout);
  }
  const std::string said = operators_word(offer, word, look);
  auto id = confirm(said);
  if (!id && said.empty()) {
    return fail(Errc::not_authentic,
                "nothing was sent; compare the fingerprint with that of the other machine and say "
                "--fingerprint XXXXX-XXXXX-XXXXX-XXXXX, or yes at the prompt");
  }
  return id;
}

}  // namespace akm::ctl
