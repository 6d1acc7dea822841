#include "daemon/node/data_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace akm::node {
namespace {

constexpr int kBacklog = 64;
constexpr int kAcceptsPerTurn = 16;  // then the other sources of the loop get their turn
constexpr int kReadsPerTurn = 4;     // of up to DataInbox::kMessages each

std::optional<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

bool remove_stale_socket(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return errno == ENOENT;
  const auto address = address_of(path);
  if (!S_ISSOCK(info.st_mode) || !address) return false;
  const UniqueFd probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe || ::connect(probe.get(), generic(*address), sizeof *address) == 0) return false;
  return errno == ECONNREFUSED && ::unlink(path.c_str()) == 0;
}

DataCounters& DataCounters::operator+=(const DataCounters& more) {
  clients_refused += more.clients_refused;
  refused_malformed += more.refused_malformed;
  refused_unsendable += more.refused_unsendable;
  dropped_no_reader += more.dropped_no_reader;
  dropped_slow_reader += more.dropped_slow_reader;
  return *this;
}

Result<std::unique_ptr<DataSocket>> DataSocket::open(const Parts& parts, const std::string& path, Send send) {
  std::unique_ptr<DataSocket> socket(new DataSocket(parts, path, std::move(send)));
  AKM_TRY(socket->listen());
  return socket;
}

DataSocket::DataSocket(Parts parts, std::string path, Send send)
    : parts_(std::move(parts)), path_(std::move(path)), send_(std::move(send)) {}

DataSocket::~DataSocket() {
  if (made_) (void)::unlink(path_.c_str());
  if (listen_watch_) parts_.loop.unwatch(*listen_watch_);
  for (const Client& client : clients_) {
    if (client.watch) parts_.loop.unwatch(*client.watch);
  }
}

Status DataSocket::listen() {
  const auto address = address_of(path_);
  if (!address) return fail(Errc::invalid_argument, path_ + ": longer than a socket's path may be");
  if (!remove_stale_socket(path_)) return fail(Errc::already_exists, path_);
  listener_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!listener_ || !spare_) return fail_errno(Errc::io_failed, "socket");
  if (::bind(listener_.get(), generic(*address), sizeof *address) != 0)
    return fail_errno(Errc::io_failed, path_);
  made_ = true;
  // Nobody can connect before listen(2), and whoever connects is asked for credentials besides.
  if (const auto group = parts_.access.file_group();
      group && ::chown(path_.c_str(), static_cast<uid_t>(-1), *group) != 0) {
    return fail_errno(Errc::io_failed, path_ + ": chown");
  }
  if (::chmod(path_.c_str(), 0660) != 0) return fail_errno(Errc::io_failed, path_ + ": chmod");
  if (::listen(listener_.get(), kBacklog) != 0) return fail_errno(Errc::io_failed, path_ + ": listen");
  AKM_ASSIGN(listen_watch_, parts_.loop.watch(listener_.get(), POLLIN, [this](std::uint32_t) { accept(); }));
  return {};
}

void DataSocket::accept() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd && (errno == EMFILE || errno == ENFILE)) {
      // The connection would stay in the backlog and wake us for ever.
      spare_.reset();
      fd.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      const bool turned_away = static_cast<bool>(fd);
      fd.reset();
      spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      if (!turned_away) return;  // there was nobody
      ++parts_.counters.clients_refused;
      continue;
    }
    if (!fd) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;
    }
    admit(std::move(fd));
  }
}

void DataSocket::admit(UniqueFd fd) {
  if (clients_.size() >= parts_.clients_most || !parts_.access.allows(fd.get())) {
    ++parts_.counters.clients_refused;
    return;
  }
  // The kernel's send buffer is the reader's queue; without CAP_NET_ADMIN net.core.wmem_max cuts it.
  const int bytes = static_cast<int>(parts_.reader_queue_bytes);
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  Client client{std::move(fd), std::nullopt};
  if (!watch(client)) {
    ++parts_.counters.clients_refused;
    return;
  }
  clients_.push_back(std::move(client));
}

Status DataSocket::watch(Client& client) {
  const int fd = client.fd.get();
  AKM_ASSIGN(client.watch,
             parts_.loop.watch(fd, POLLIN, [this, fd](std::uint32_t events) { readable(fd, events); }));
  return {};
}

void DataSocket::readable(int fd, std::uint32_t events) {
  if ((events & POLLIN) == 0) return close(fd);  // hung up, and nothing is left to read
  for (int i = 0; i < kReadsPerTurn; ++i) {
    switch (read(fd)) {
      case Read::more:
        continue;
      case Read::nothing_left:
        return;
      case Read::ended:
        return close(fd);
      case Read::no_room: {
        // Not asked any more: its messages stay in the socket, and its sender waits, until the network has
        // room.
        const auto client = std::ranges::find(clients_, fd, [](const Client& c) { return c.fd.get(); });
        parts_.loop.unwatch(*client->watch);
        client->watch.reset();
        return;
      }
    }
  }
}

DataSocket::Read DataSocket::read(int fd) {
  const std::size_t most = std::min(DataInbox::kMessages, parts_.room() / fan_out_);
  if (most == 0) return Read::no_room;
  const int count = parts_.inbox.receive(fd, most);
  if (count < 0) {
    if (errno == EAGAIN) return Read::nothing_left;
    return errno == EINTR ? Read::more : Read::ended;
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const DataInbox::Message message = parts_.inbox.message(i);
    if (message.bytes.empty()) return Read::ended;
    if (!take(message)) {
      ++parts_.counters.refused_malformed;
      return Read::ended;
    }
  }
  return static_cast<std::size_t>(count) == most ? Read::more : Read::nothing_left;
}

/// False for what no program of good will sends.
bool DataSocket::take(const DataInbox::Message& message) {
  const auto data = protocol::decode_data_payload(message.bytes);
  if (message.cut || !data) return false;
  if (!send_(data->to, data->bytes)) ++parts_.counters.refused_unsendable;
  return true;
}

void DataSocket::close(int fd) {
  const auto client = std::ranges::find(clients_, fd, [](const Client& c) { return c.fd.get(); });
  if (client == clients_.end()) return;
  if (client->watch) parts_.loop.unwatch(*client->watch);
  clients_.erase(client);
}

void DataSocket::deliver(std::uint16_t from, std::span<const std::uint8_t> payload) {
  if (clients_.empty()) ++parts_.counters.dropped_no_reader;
  std::array<std::uint8_t, protocol::kDataHeaderBytes> header{};
  protocol::encode_data_payload({from, {}}, header);
  // The kernel only reads them; iovec has no const form.
  std::array<iovec, 2> vectors{
      {{header.data(), header.size()}, {const_cast<std::uint8_t*>(payload.data()), payload.size()}}};
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = vectors.size();
  for (std::size_t i = 0; i < clients_.size();) {
    const int fd = clients_[i].fd.get();
    if (::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR) {
        close(fd);
        continue;
      }
      ++parts_.counters.dropped_slow_reader;
    }
    ++i;
  }
}

bool DataSocket::waits() const {
  return std::ranges::any_of(clients_, [](const Client& client) { return !client.watch; });
}

void DataSocket::resume() {
  for (std::size_t i = 0; i < clients_.size();) {
    // A client that cannot be watched again would wait for ever.
    if (!clients_[i].watch && !watch(clients_[i])) {
      close(clients_[i].fd.get());
    } else {
      ++i;
    }
  }
}

}  // namespace akm::node
