// Section 7, "The Root": the NMM's credentials come as a bundle, once, as a node's do.
#include <memory>
#include <utility>

#include "daemon/nmm/nmm.h"
#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"

namespace akm::nmm {

Result<ControlPort::HardwareIdentity> Nmm::hardware_identity() {
  if (machine_.hardware == nullptr) return fail(Errc::no_hardware_source);
  return machine_.hardware->identity();
}

void Nmm::provision_from_file(const std::string& path, UniqueFd code_fd, Done done) {
  if (joining_) return done(fail(Errc::busy, "a bundle is being opened"));
  const auto typed = dbus::read_sealed_memfd(code_fd.get(), dbus::limits::kCodeBytes);
  if (!typed) return done(std::unexpected(typed.error()));
  const auto bytes = typed->reveal();
  auto code = protocol::parse_code({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!code) return done(std::unexpected(code.error()));
  auto file = node::BundleFile::open(path);
  if (!file) return done(std::unexpected(file.error()));
  struct Work {
    node::BundleFile file;
    SecretBuffer code;
    Done done;
  };
  const auto work = std::make_shared<Work>(std::move(*file), std::move(*code), std::move(done));
  joining_ = true;
  // scrypt takes some tenths of a second: not on the loop thread.
  const Status started = core_.run_aside([this, work]() -> keyring::TpmWorker::Completion {
    auto content = protocol::open_bundle(work->file.bytes(), work->code);
    return [this, work, content = std::move(content)] {
      joining_ = false;
      work->done(content ? root_link_.take(*content, &work->file) : std::unexpected(content.error()));
      settle();
    };
  });
  if (started) return;
  joining_ = false;
  work->done(started);
}

void Nmm::provision_from_memfd(UniqueFd bundle, Done done) {
  const auto bytes = dbus::read_sealed_memfd(bundle.get(), protocol::kBundleBytes);
  if (!bytes) return done(std::unexpected(bytes.error()));
  const auto content = protocol::decode_direct_bundle(bytes->reveal());
  done(content ? root_link_.take(*content, nullptr) : std::unexpected(content.error()));
  settle();
}

}  // namespace akm::nmm
