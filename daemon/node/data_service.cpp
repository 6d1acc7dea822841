#include "daemon/node/data_service.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "daemon/base/hex.h"
#include "daemon/base/log.h"

namespace akm::node {
namespace {

constexpr std::string_view kSuffix = ".sock";
constexpr std::size_t kLabelBytes = 48;  // of a file's name, so that the path fits a socket's address

bool is_safe(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
         c == '_';
}

void add_counters(std::map<std::string, std::uint64_t>& to, std::uint64_t clients,
                  const DataCounters& counters) {
  to.emplace("data_clients", clients);
  to.emplace("data_clients_refused", counters.clients_refused);
  to.emplace("data_refused_malformed", counters.refused_malformed);
  to.emplace("data_refused_unsendable", counters.refused_unsendable);
  to.emplace("data_dropped_no_reader", counters.dropped_no_reader);
  to.emplace("data_dropped_slow_reader", counters.dropped_slow_reader);
}

}  // namespace

bool DataService::is_plain(const std::string& label) {
  return label.size() <= kLabelBytes && !label.starts_with('.') && std::ranges::all_of(label, is_safe);
}

std::string DataService::file_name(const std::string& label, protocol::AsrId id, bool with_id) {
  std::string out = label.substr(0, kLabelBytes);
  std::ranges::replace_if(out, [](char c) { return !is_safe(c); }, '_');
  if (out.starts_with('.')) out.front() = '_';
  if (with_id) out += "-" + hex_id(id);
  return out + std::string(kSuffix);
}

DataService::DataService(io::Loop& loop, io::Loop::SocketId network, const DataSettings& settings)
    : loop_(loop), network_(network), settings_(settings), access_(settings.users, settings.groups) {
  for (const std::string& name : access_.unknown()) {
    log::warning("The data service's configuration names what this machine does not know",
                 {{"AKM_NAME", name}});
  }
  // Asked after the network's queue was handed to the kernel: who waits for room is read again in a turn of
  // its own.
  loop_.add_deadline(
      [this]() -> std::optional<Instant> {
        const bool waits = std::ranges::any_of(sockets_, [](const auto& one) { return one.second->waits(); });
        return waits && loop_.room(network_) > 0 ? std::optional(Instant{}) : std::nullopt;
      },
      [this] {
        for (const auto& [id, socket] : sockets_) socket->resume();
      });
}

void DataService::start(service::Shell* shell) {
  if (settings_.folder.empty() || shell == nullptr) return;
  if (const Status made = make_folder(); !made) {
    findings_["folder"] = "No data service: " + made.error().message();
    log::error("No data service", {{"AKM_ERROR", made.error().message()}});
    return;
  }
  shell_ = shell;
  remove_stale();
  for (const protocol::AsrId id : shell_->engine().relationships()) asr_changed(id);
}

Status DataService::make_folder() {
  std::error_code error;
  std::filesystem::create_directories(settings_.folder, error);
  if (error) return fail_errno(Errc::io_failed, settings_.folder, error.value());
  struct stat info{};
  if (::lstat(settings_.folder.c_str(), &info) != 0) return fail_errno(Errc::io_failed, settings_.folder);
  // Whoever may write there could put a socket of theirs in the place of ours.
  const bool ours = S_ISDIR(info.st_mode) && (info.st_uid == 0 || info.st_uid == ::geteuid()) &&
                    (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
  if (!ours) return fail(Errc::invalid_argument, settings_.folder + ": others may write there");
  return {};
}

void DataService::remove_stale() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(settings_.folder, error)) {
    const std::string path = entry.path().string();
    if (path.ends_with(kSuffix)) (void)remove_stale_socket(path);
  }
}

void DataService::asr_changed(protocol::AsrId asr_id) {
  if (shell_ == nullptr) return;
  const auto view = shell_->engine().view(asr_id);
  if (!view || view->description.kind != protocol::Kind::operational) {
    sockets_.erase(asr_id);
    findings_.erase(hex_id(asr_id));
    if (const auto counted = counters_.extract(asr_id)) gone_ += counted.mapped();
    return;
  }
  counters_.try_emplace(asr_id);
  if (!sockets_.contains(asr_id)) open(*view);
  if (const auto socket = sockets_.find(asr_id); socket != sockets_.end())
    socket->second->set_fan_out(view->description.roster.size() - 1);
}

void DataService::open(const protocol::AsrView& view) {
  const protocol::AsrId id = view.description.id;
  const std::string& label = view.description.label;
  const auto path = [&](bool with_id) { return settings_.folder + "/" + file_name(label, id, with_id); };
  const bool taken =
      std::ranges::any_of(sockets_, [&](const auto& one) { return one.second->path() == path(false); });
  if (!inbox_) inbox_ = std::make_unique<DataInbox>();
  const DataSocket::Parts parts{.loop = loop_,
                                .access = access_,
                                .inbox = *inbox_,
                                .counters = counters_[id],
                                .clients_most = settings_.clients,
                                .reader_queue_bytes = settings_.reader_queue_bytes,
                                .room = [this] { return loop_.room(network_); }};
  auto socket = DataSocket::open(parts, path(taken || !is_plain(label)),
                                 [this, id](std::uint16_t to, std::span<const std::uint8_t> payload) {
                                   return shell_->send_data({id, to, payload});
                                 });
  if (!socket) {
    const std::string sentence = "No data socket for an ASR: " + socket.error().message();
    if (findings_[hex_id(id)] == sentence) return;  // said once
    findings_[hex_id(id)] = sentence;
    log::error("No data socket for an ASR",
               {{"AKM_ASR", hex_id(id)}, {"AKM_ERROR", socket.error().message()}});
    return;
  }
  findings_.erase(hex_id(id));
  sockets_.emplace(id, std::move(*socket));
}

DataPort DataService::port() {
  return {.receive = [this](const protocol::DataReceived& data) { deliver(data); },
          .add_to_status = [this](StatusSnapshot& status) { add_to(status); },
          .add_to_asr = [this](AsrSnapshot& asr) { add_to(asr); }};
}

void DataService::deliver(const protocol::DataReceived& data) {
  const auto socket = sockets_.find(data.asr_id);
  if (socket == sockets_.end()) {
    const auto own = counters_.find(data.asr_id);
    ++(own != counters_.end() ? own->second : gone_).dropped_no_reader;
  } else {
    socket->second->deliver(data.from, data.payload);
  }
}

void DataService::add_to(StatusSnapshot& status) const {
  for (const auto& [what, sentence] : findings_) status.findings.push_back(sentence);
  std::uint64_t clients = 0;
  for (const auto& [id, socket] : sockets_) clients += socket->clients();
  DataCounters sum = gone_;
  for (const auto& [id, counters] : counters_) sum += counters;
  add_counters(status.counters, clients, sum);
}

void DataService::add_to(AsrSnapshot& asr) const {
  const auto counted = counters_.find(asr.id);
  if (counted == counters_.end()) return;
  const auto socket = sockets_.find(asr.id);
  add_counters(asr.counters, socket == sockets_.end() ? 0 : socket->second->clients(), counted->second);
}

}  // namespace akm::node
