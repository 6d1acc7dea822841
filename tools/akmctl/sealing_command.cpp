// How the storage key is sealed, of the node and of the NMM alike.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/base/hex.h"
#include "tools/akmctl/code_entry.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/names.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

constexpr const char* kDone = R"({"done":true})";
constexpr std::size_t kValueBytes = 32;
constexpr std::size_t kSignatureMaxBytes = 256;

struct Arguments {
  std::vector<std::string> set;
  std::string out, signature, recovery_file;
};

Result<PcrChanges> changes_of(const std::vector<std::string>& texts) {
  PcrChanges out;
  for (const std::string& text : texts) {
    const std::size_t sign = text.find('=');
    std::uint32_t pcr = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + std::min(sign, text.size()), pcr);
    auto value = sign == std::string::npos ? fail(Errc::invalid_argument) : parse_hex(text.substr(sign + 1));
    if (error != std::errc() || end != text.data() + sign || !value || value->size() != kValueBytes) {
      return fail(Errc::invalid_argument, "--set takes a PCR and its value, as in 7=64 hex digits");
    }
    out[pcr] = std::move(*value);
  }
  return out;
}

std::string value_at(const std::vector<std::uint8_t>& values, std::size_t index) {
  if (values.size() < (index + 1) * kValueBytes) return "";
  return hex(std::span(values).subspan(index * kValueBytes, kValueBytes));
}

Status show(Session& session, dbus::Service service) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(service));
  AKM_ASSIGN(const PcrFacts facts, proxy->pcrs(service));
  Table table({"PCR", "SEALED TO", "PRESENT"});
  nlohmann::json pcrs = nlohmann::json::array();
  std::size_t index = 0;
  for (std::uint32_t pcr = 0; pcr < 24; ++pcr) {
    if ((facts.mask >> pcr & 1) == 0) continue;
    const std::string sealed = value_at(facts.sealed, index);
    const std::string present = value_at(facts.present, index++);
    table.row({std::to_string(pcr), sealed, sealed == present ? "the same" : present});
    pcrs.push_back({{"pcr", pcr}, {"sealed", sealed}, {"present", present}});
  }
  const std::string text =
      facts.mask == 0
          ? "The storage key is sealed to no PCR.\n"
          : table.text() + fmt::format("\nPolicy key: {}; further sets of values that it has signed: {}\n",
                                       facts.policy_key ? "yes" : "none", facts.authorised);
  say(session, text,
      nlohmann::json{{"pcrs", pcrs}, {"policy_key", facts.policy_key}, {"authorized", facts.authorised}}
          .dump());
  return {};
}

Status predict(Session& session, dbus::Service service, const Arguments& args) {
  AKM_ASSIGN(const PcrChanges changes, changes_of(args.set));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(service));
  AKM_ASSIGN(const PcrPrediction predicted, proxy->predict_pcrs(service, changes));
  std::ofstream out(args.out, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(predicted.to_sign.data()),
            static_cast<std::streamsize>(predicted.to_sign.size()));
  if (!out.flush()) return fail(Errc::io_failed, args.out);
  say(session,
      fmt::format("To be signed: {}. With the policy key: openssl dgst -sha256 -sign KEY -out SIGNATURE {}\n"
                  "Then the same --set with: akmctl {} pcr authorize --signature SIGNATURE",
                  args.out, args.out, short_name(service)),
      nlohmann::json{{"to_sign", hex(predicted.to_sign)}, {"values", hex(predicted.values)}}.dump());
  return {};
}

Status authorize(Session& session, dbus::Service service, const Arguments& args) {
  AKM_ASSIGN(const PcrChanges changes, changes_of(args.set));
  std::ifstream in(args.signature, std::ios::binary);
  std::vector<std::uint8_t> signature(kSignatureMaxBytes + 1);
  in.read(reinterpret_cast<char*>(signature.data()), static_cast<std::streamsize>(signature.size()));
  if (!in.is_open() || in.bad()) return fail(Errc::io_failed, args.signature);
  signature.resize(static_cast<std::size_t>(in.gcount()));
  if (signature.size() > kSignatureMaxBytes) return fail(Errc::too_large, args.signature);
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(service));
  AKM_TRY(proxy->authorize_pcrs(service, changes, signature));
  say(session, "Authorized: the storage key opens with these values too.", kDone);
  return {};
}

Status reseal(Session& session, dbus::Service service, const Arguments& args, bool recover) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(service));
  AKM_ASSIGN(const UniqueFd secret, enter_code(args.recovery_file, kRecoverySecret));
  AKM_TRY(proxy->reseal(service, secret, recover));
  say(session,
      recover
          ? "Recovered: the key is sealed anew. A daemon that was up without its state starts anew by itself."
          : "Sealed anew, and opened by each of its ways. Keep the recovery secret where this machine is "
            "not.",
      kDone);
  return {};
}

}  // namespace

void add_sealing_commands(CLI::App& parent, Session& session, dbus::Service service) {
  const auto args = std::make_shared<Arguments>();
  CLI::App* pcr =
      parent.add_subcommand("pcr", "The PCRs that the storage key is sealed to")->require_subcommand(1);
  pcr->add_subcommand("show", "Values at sealing and at present")->callback([&session, service] {
    session.command = [&session, service] { return show(session, service); };
  });
  CLI::App* ahead = pcr->add_subcommand("predict", "What the policy key has to sign before an update");
  CLI::App* allow = pcr->add_subcommand("authorize", "Let the storage key open with values that were signed");
  for (CLI::App* one : {ahead, allow}) {
    one->add_option("--set", args->set, "PCR=VALUE that will be another; as often as needed");
  }
  ahead->add_option("--out", args->out, "File for what is to be signed")->required();
  allow->add_option("--signature", args->signature, "File with the signature (DER)")->required();
  ahead->callback([&session, service, args] {
    session.command = [&session, service, args] { return predict(session, service, *args); };
  });
  allow->callback([&session, service, args] {
    session.command = [&session, service, args] { return authorize(session, service, *args); };
  });
  for (const bool recover : {false, true}) {
    CLI::App* one = recover
                        ? parent.add_subcommand("recover", "Open the storage key by its recovery secret")
                        : parent.add_subcommand("reseal", "Seal the storage key as the configuration says");
    one->add_option("--recovery-file", args->recovery_file,
                    "Read the recovery secret from here (- is standard input) instead of asking");
    one->callback([&session, service, args, recover] {
      session.command = [&session, service, args, recover] {
        return reseal(session, service, *args, recover);
      };
    });
  }
}

}  // namespace akm::ctl
