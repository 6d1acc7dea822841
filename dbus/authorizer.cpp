#include "dbus/authorizer.h"

#include <grp.h>
#include <systemd/sd-bus.h>

#include <algorithm>
#include <array>

#include "dbus/access_table.h"
#include "dbus/errors.h"
#include "dbus/limits.h"
#include "dbus/message.h"

namespace akm::dbus {
namespace {

constexpr std::size_t kGroupsMost = 65536;  // NGROUPS_MAX

std::optional<gid_t> lookup_group(const std::string& name) {
  std::array<char, 65536> buffer{};
  group entry{};
  group* found = nullptr;
  if (getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return std::nullopt;
  return found->gr_gid;
}

// Absent is what the bus says of a name that nobody has and that no service file starts. A polkit that dies
// over the question is not absent (`interrupted`), and a bus that closes says nothing about polkit.
bool polkit_is_absent(const Error& error, const Bus& bus) {
  return error.code == Errc::unreachable && bus.connection() != nullptr && sd_bus_is_open(bus.handle()) > 0;
}

Status read_polkit_answer(sd_bus_message* reply) {
  Reader in(reply);
  AKM_TRY(in.enter('r', "bba{ss}"));
  AKM_ASSIGN(const bool authorized, in.boolean());
  AKM_ASSIGN(const bool challenge, in.boolean());
  if (authorized) return {};
  return fail(Errc::not_authorized, challenge ? "polkit wants a person to authenticate" : "polkit refused");
}

int append_polkit_question(sd_bus_message* message, const char* sender, const char* action,
                           bool interactive) {
  const std::uint32_t flags = interactive ? 1 : 0;  // AllowUserInteraction
  return sd_bus_message_append(message, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s", sender, action,
                               0, flags, "");
}

const AccessRule* rule_of(sd_bus_message* message) {
  const char* interface = sd_bus_message_get_interface(message);
  const char* member = sd_bus_message_get_member(message);
  return interface == nullptr || member == nullptr ? nullptr : find_access_rule(interface, member);
}

}  // namespace

Authorizer::Authorizer(Bus& bus, const Options& options)
    : bus_(bus),
      options_(options),
      gid_(options.group.empty() ? std::nullopt : lookup_group(options.group)) {}

Result<Authorizer::Credentials> Authorizer::read_credentials(sd_bus_message* reply) {
  Reader in(reply);
  Credentials out;
  bool uid_known = false;
  AKM_TRY(in.enter('a', "{sv}"));
  while (true) {
    AKM_ASSIGN(const bool more, in.enter('e', "sv"));
    if (!more) break;
    AKM_ASSIGN(const std::string key, in.text(limits::kTextBytes));
    AKM_ASSIGN(const std::string type, in.peek_variant());
    const bool known = (key == "UnixUserID" && type == "u") || (key == "UnixGroupIDs" && type == "au") ||
                       (key == "ProcessID" && type == "u") || (key == "ProcessFD" && type == "h");
    if (!known) {
      AKM_TRY(in.skip("v"));
    } else {
      AKM_TRY(in.enter('v', type.c_str()));
      if (key == "UnixUserID") {
        AKM_ASSIGN(out.caller.uid, in.u32());
        uid_known = true;
      } else if (key == "ProcessID") {
        AKM_ASSIGN(const std::uint32_t pid, in.u32());
        out.caller.pid = static_cast<std::int32_t>(pid);
      } else if (key == "ProcessFD") {
        AKM_ASSIGN(out.caller.process, in.fd());
      } else {
        const void* gids = nullptr;
        std::size_t size = 0;
        if (sd_bus_message_read_array(reply, 'u', &gids, &size) < 0)
          return fail(Errc::malformed, "group ids");
        const std::size_t count = std::min(size / sizeof(gid_t), kGroupsMost);
        out.gids.assign(static_cast<const gid_t*>(gids), static_cast<const gid_t*>(gids) + count);
      }
      AKM_TRY(in.exit());
    }
    AKM_TRY(in.exit());
  }
  if (!uid_known) return fail(Errc::not_authorized, "the bus does not tell who the caller is");
  return out;
}

Status Authorizer::by_group(const std::vector<gid_t>& gids, std::optional<gid_t> gid) {
  if (gid && std::ranges::find(gids, *gid) != gids.end()) return {};
  return fail(Errc::not_authorized);
}

/// The caller was made with the credentials that the bus took from its socket: no race for a process id, and
/// no blocking call as sd_bus_query_sender_creds would make.
void Authorizer::ask_bus(sd_bus_message* message, Reply<Credentials> done) {
  const char* sender = sd_bus_message_get_sender(message);
  if (sender == nullptr || bus_.connection() == nullptr)
    return done(fail(Errc::not_authorized, "the caller is not known"));
  if (*pending_ >= limits::kPendingChecks)
    return done(fail(Errc::busy, "too many callers wait to be authorised"));
  ++*pending_;
  bus_.connection()->call_method("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                 "GetConnectionCredentials", {sender}, limits::kCredentialsTimeout,
                                 [pending = pending_, asked = boottime_now(),
                                  done = std::move(done)](Result<sd_bus_message*> reply) mutable {
                                   --*pending;
                                   if (!reply) return done(fail(Errc::not_authorized, "the caller has gone"));
                                   Result<Credentials> credentials = read_credentials(*reply);
                                   if (!credentials)
                                     return done(fail(Errc::not_authorized, credentials.error().detail));
                                   credentials->caller.asked = asked;
                                   done(std::move(credentials));
                                 });
}

void Authorizer::authorize(sd_bus_message* message, Reply<Caller> done, bool root_only) {
  const AccessRule* rule = rule_of(message);
  if (!root_only && (rule == nullptr || rule->access == Access::caller))
    return done(fail(Errc::not_authorized, "there is no rule for this method"));
  const bool interactive = sd_bus_message_get_allow_interactive_authorization(message) > 0;
  const char* sender = sd_bus_message_get_sender(message);
  ask_bus(message, [this, rule, interactive, root_only, who = std::string(sender == nullptr ? "" : sender),
                    done = std::move(done)](Result<Credentials> credentials) mutable {
    if (!credentials) return done(std::unexpected(credentials.error()));
    const bool is_root = credentials->caller.uid == 0;
    auto finish = [caller = std::move(credentials->caller),
                   done = std::move(done)](const Status& may) mutable {
      if (!may) return done(std::unexpected(may.error()));
      done(std::move(caller));
    };
    if (is_root) return finish({});
    if (root_only) return finish(fail(Errc::not_authorized, "only uid 0 may ask for this"));
    if (!options_.use_polkit) return finish(by_group(credentials->gids, gid_));
    // The question to polkit counts as well: it may take long.
    ++*pending_;
    ask_polkit(who, rule->action, interactive, std::move(credentials->gids),
               [pending = pending_, finish = std::move(finish)](const Status& status) mutable {
                 --*pending;
                 finish(status);
               });
  });
}

void Authorizer::identify(sd_bus_message* message, Reply<Caller> done) {
  const AccessRule* rule = rule_of(message);
  if (rule == nullptr || rule->access != Access::caller)
    return done(fail(Errc::not_authorized, "there is no such rule for this method"));
  ask_bus(message, [done = std::move(done)](Result<Credentials> credentials) mutable {
    if (!credentials) return done(std::unexpected(credentials.error()));
    done(std::move(credentials->caller));
  });
}

void Authorizer::ask_polkit(const std::string& sender, const char* action, bool interactive,
                            std::vector<gid_t> gids, Done done) {
  sd_bus_message* question = nullptr;
  int r = bus_.connection() == nullptr
              ? -ENOTCONN
              : sd_bus_message_new_method_call(bus_.handle(), &question, "org.freedesktop.PolicyKit1",
                                               "/org/freedesktop/PolicyKit1/Authority",
                                               "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
  if (r >= 0) r = append_polkit_question(question, sender.c_str(), action, interactive);
  if (r < 0) {
    done(fail(Errc::not_authorized, "polkit cannot be asked"));
  } else {
    // When the bus closes, this may be gone before the reply comes: only what the bus outlives is captured.
    auto answered = [bus = &bus_, gid = gid_, gids = std::move(gids),
                     done = std::move(done)](Result<sd_bus_message*> reply) mutable {
      if (reply) return done(read_polkit_answer(*reply));
      if (polkit_is_absent(reply.error(), *bus)) return done(by_group(gids, gid));
      done(fail(Errc::not_authorized, "polkit gave no answer: " + reply.error().detail));
    };
    bus_.connection()->call(question, limits::kPolkitTimeout, std::move(answered));
  }
  sd_bus_message_unref(question);
}

}  // namespace akm::dbus
