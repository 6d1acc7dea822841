#pragma once
// The local socket of one ASR: programs on this machine send datagrams to its members and receive theirs
// (docs/data-service.md).
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "daemon/io/loop.h"
#include "daemon/node/data_access.h"
#include "daemon/node/data_inbox.h"

namespace akm::node {

struct DataCounters {
  std::uint64_t clients_refused = 0;      // not allowed, or too many
  std::uint64_t refused_malformed = 0;    // the client was sent away
  std::uint64_t refused_unsendable = 0;   // no such member, or nothing can be sent now
  std::uint64_t dropped_no_reader = 0;    // received while nobody was connected
  std::uint64_t dropped_slow_reader = 0;  // a reader's queue was full

  DataCounters& operator+=(const DataCounters& more);
};

class DataSocket {
 public:
  /// Lives longer than the socket.
  struct Parts {
    io::Loop& loop;
    const DataAccess& access;
    DataInbox& inbox;
    DataCounters& counters;
    std::size_t clients_most = 16;
    std::size_t reader_queue_bytes = std::size_t{1} << 20;
    /// How many datagrams the network takes now; while it is none, clients wait in their send().
    std::function<std::size_t()> room;
  };
  using Send = std::function<Status(std::uint16_t to, std::span<const std::uint8_t> payload)>;

  /// Makes the file, mode 0660, and listens. A socket that nobody listens on is replaced. already_exists,
  /// invalid_argument (path too long), io_failed.
  static Result<std::unique_ptr<DataSocket>> open(const Parts& parts, const std::string& path, Send send);
  DataSocket(const DataSocket&) = delete;
  DataSocket& operator=(const DataSocket&) = delete;
  /// The file goes, and all connections end.
  ~DataSocket();

  /// To every client; one without room for it does without.
  void deliver(std::uint16_t from, std::span<const std::uint8_t> payload);
  /// How many datagrams one message may become at the most.
  void set_fan_out(std::size_t members) { fan_out_ = members > 0 ? members : 1; }
  /// Clients wait for room().
  [[nodiscard]] bool waits() const;
  /// Reads again from those that wait.
  void resume();
  [[nodiscard]] std::size_t clients() const { return clients_.size(); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  struct Client {
    UniqueFd fd;
    std::optional<io::Loop::WatchId> watch;  // none while it waits for room
  };
  DataSocket(Parts parts, std::string path, Send send);
  Status listen();
  void accept();
  void admit(UniqueFd fd);
  Status watch(Client& client);
  void readable(int fd, std::uint32_t events);
  enum class Read : std::uint8_t { nothing_left, more, no_room, ended };
  Read read(int fd);
  bool take(const DataInbox::Message& message);
  void close(int fd);

  Parts parts_;
  std::string path_;
  Send send_;
  std::size_t fan_out_ = 1;
  bool made_ = false;  // the file is ours
  UniqueFd listener_;
  UniqueFd spare_;  // given up for a moment to turn somebody away when descriptors have run out
  std::optional<io::Loop::WatchId> listen_watch_;
  std::vector<Client> clients_;
};

/// Removes `path` when it is a local socket that nobody listens on; true when there is nothing any more.
bool remove_stale_socket(const std::string& path);

}  // namespace akm::node
