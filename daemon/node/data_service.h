#pragma once
// The data service: a local socket for each operational ASR, as long as the node holds it
// (docs/data-service.md).
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "daemon/node/control_port.h"
#include "daemon/node/data_socket.h"
#include "daemon/node/node.h"
#include "daemon/node/node_settings.h"
#include "daemon/service/shell.h"

namespace akm::node {

class DataService {
 public:
  /// `network`: the socket that frames leave by.
  DataService(io::Loop& loop, io::Loop::SocketId network, const DataSettings& settings);

  /// Makes the folder, removes sockets that an earlier run left behind, and opens one for each ASR of
  /// `shell`, which lives longer. Null: the node holds none.
  void start(service::Shell* shell);
  /// The ASR came, changed, or went.
  void asr_changed(protocol::AsrId asr_id);
  /// For the role: deliver() and add_to().
  DataPort port();
  void deliver(const protocol::DataReceived& data);
  /// Counters of all relationships since the start, and what does not work.
  void add_to(StatusSnapshot& status) const;
  /// Counters of this one, if it is operational.
  void add_to(AsrSnapshot& asr) const;

  /// The file's name: the label with all but letters, digits, '.', '-' and '_' replaced by '_', a leading '.'
  /// too, at most 48 bytes, then ".sock". `with_id` puts "-" and the ASR's id before that.
  static std::string file_name(const std::string& label, protocol::AsrId id, bool with_id);
  /// Whether the name alone could stand for another label.
  static bool is_plain(const std::string& label);

 private:
  void open(const protocol::AsrView& view);
  Status make_folder();
  void remove_stale();

  io::Loop& loop_;
  io::Loop::SocketId network_;
  const DataSettings& settings_;
  DataAccess access_;
  std::unique_ptr<DataInbox> inbox_;                  // made with the first socket
  std::map<protocol::AsrId, DataCounters> counters_;  // of operational ASRs that the node holds
  DataCounters gone_;                                 // of those that it held
  service::Shell* shell_ = nullptr;
  std::map<protocol::AsrId, std::unique_ptr<DataSocket>> sockets_;
  std::map<std::string, std::string> findings_;
};

}  // namespace akm::node
