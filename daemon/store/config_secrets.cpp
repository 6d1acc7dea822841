#include "daemon/base/cursor.h"
#include "daemon/store/config_database_impl.h"
#include "daemon/store/sealed_record.h"

namespace akm::store {
namespace {

// How often a secret was written, and the digest of the list.
constexpr std::size_t kListBytes = sizeof(std::uint64_t) + sizeof(ChainDigest);

// What a secret is sealed under: no other row, and no other writing of this row, has the same.
std::string identity(std::string_view kind, std::string_view id, std::string_view slot,
                     std::uint64_t number) {
  std::string out = "database ";
  out.append(kind).append(" ").append(id).append(" ").append(slot).append(" ").append(std::to_string(number));
  return out;
}

Status check_secret_name(const SecretName& name) {
  return check_word("the slot of a secret", name.slot);
}

std::string shown(const SecretName& name) {
  return "secret " + name.slot + " of " + std::string(kind_name(name.kind)) + " " + hex_id(name.id);
}

}  // namespace

Status ConfigDatabase::Impl::store_secret_list(Next& next) {
  AKM_ASSIGN(const ChainDigest digest, keys.list(next.head.secrets_written, next.secrets));
  SqlBytes value(kListBytes);
  Writer out(value);
  out.u64(next.head.secrets_written);
  out.bytes(digest);
  AKM_TRY(
      sql->run("INSERT INTO meta (name, value) VALUES ('secrets', $1)"
               " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
               {std::move(value)}));
  return {};
}

Status ConfigDatabase::Impl::verify_secrets() {
  const auto corrupt = [this](const std::string& what) {
    return fail(Errc::state_corrupt, sql->description() + ": " + what);
  };
  secrets.clear();
  head.secrets_written = 0;
  AKM_ASSIGN(const SqlRows rows, sql->run("SELECT kind, id, slot, number FROM secret"));
  for (const SqlRow& row : rows) {
    secrets[{std::string(sql_text(row[0])), std::string(sql_text(row[1])), std::string(sql_text(row[2]))}] =
        static_cast<std::uint64_t>(sql_integer(row[3]));
  }
  AKM_ASSIGN(const SqlRows list, sql->run("SELECT value FROM meta WHERE name = 'secrets'"));
  if (list.empty()) return secrets.empty() ? Status{} : corrupt("the list of secrets is missing");
  const auto value = sql_bytes(list[0][0]);
  if (value.size() != kListBytes) return corrupt("the list of secrets was altered");
  Reader in(value);
  head.secrets_written = in.u64();
  AKM_ASSIGN(const ChainDigest digest, keys.list(head.secrets_written, secrets));
  if (equal_in_constant_time(digest, in.rest())) return {};
  return corrupt("a secret was removed, added or put back, or this is another Root's database");
}

Status ConfigDatabase::Impl::seal_secret(const SecretName& name, std::span<const std::uint8_t> secret,
                                         Next& next) {
  const std::string kind(kind_name(name.kind));
  const std::string id = hex_id(name.id);
  const std::uint64_t number = ++next.head.secrets_written;
  AKM_ASSIGN(std::vector<std::uint8_t> sealed,
             seal_record(keys.sealing(), identity(kind, id, name.slot, number), secret, random));
  AKM_TRY(sql->run(
      "INSERT INTO secret (kind, id, slot, number, sealed) VALUES ($1, $2, $3, $4, $5)"
      " ON CONFLICT (kind, id, slot) DO UPDATE SET number = excluded.number, sealed = excluded.sealed",
      {kind, id, name.slot, sql_number(number), std::move(sealed)}));
  next.secrets[{kind, id, name.slot}] = number;
  return store_secret_list(next);
}

Status ConfigDatabase::put_secret(const SecretName& name, std::span<const std::uint8_t> secret) {
  AKM_TRY(check_secret_name(name));
  if (secret.size() > kSecretBytesMax) return fail(Errc::too_large, shown(name));
  return impl_->write([&](Impl::Next& next) { return impl_->seal_secret(name, secret, next); });
}

Result<std::uint64_t> ConfigDatabase::apply_with_secret(std::span<const Edit> edits, std::string_view who,
                                                        const SecretName& name,
                                                        std::span<const std::uint8_t> secret) {
  AKM_TRY(check_edits(edits, who));
  AKM_TRY(check_secret_name(name));
  if (secret.size() > kSecretBytesMax) return fail(Errc::too_large, shown(name));
  const Status done = impl_->write([&](Impl::Next& next) -> Status {
    for (const Edit& edit : edits) AKM_TRY(impl_->make_change(edit, who, 0, next));
    return impl_->seal_secret(name, secret, next);
  });
  if (!done) return std::unexpected(done.error());
  return head().revision;
}

Result<SecretBuffer> ConfigDatabase::secret(const SecretName& name) {
  AKM_TRY(check_secret_name(name));
  const std::string kind(kind_name(name.kind));
  const std::string id = hex_id(name.id);
  AKM_ASSIGN(const SqlRows rows,
             impl_->sql->ask("SELECT sealed FROM secret WHERE kind = $1 AND id = $2 AND slot = $3",
                             {kind, id, name.slot}));
  const auto known = impl_->secrets.find({kind, id, name.slot});
  if (rows.empty() && known == impl_->secrets.end()) return fail(Errc::not_found, shown(name));
  if (rows.empty() || known == impl_->secrets.end()) {
    return fail(Errc::state_corrupt,
                description() + ": " + shown(name) + " was put in or taken away by somebody else");
  }
  // Sealed under the number that is known: an older writing of the same row does not open.
  auto opened =
      open_record(impl_->keys.sealing(), identity(kind, id, name.slot, known->second), sql_bytes(rows[0][0]));
  if (!opened && opened.error().code == Errc::state_corrupt) {
    return fail(Errc::state_corrupt,
                description() + ": " + shown(name) + " is damaged, an older one or another's");
  }
  return opened;
}

Status ConfigDatabase::remove_secret(const SecretName& name) {
  AKM_TRY(check_secret_name(name));
  const std::string kind(kind_name(name.kind));
  const std::string id = hex_id(name.id);
  return impl_->write([&](Impl::Next& next) -> Status {
    AKM_TRY(impl_->sql->run("DELETE FROM secret WHERE kind = $1 AND id = $2 AND slot = $3",
                            {kind, id, name.slot}));
    if (next.secrets.erase({kind, id, name.slot}) == 0) return {};
    ++next.head.secrets_written;
    return impl_->store_secret_list(next);
  });
}

}  // namespace akm::store
