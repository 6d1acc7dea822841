#pragma once
#include <cstddef>

namespace akm::bench {

// One comparison each; it prints its lines.
void key_step();
void frame(std::size_t payload_bytes);
void engine_step();
/// A new key between two parties, by AKM and by its peer.
void new_key();
/// From a datagram of a local program to the network, and from a frame to the program.
void data(std::size_t payload_bytes);
void data_received(std::size_t payload_bytes);
/// A record of the audit log; `durable`: synchronised each time.
void audit(bool durable);
/// `durable`: every member stores its two records of a rekey on the disk under the temporary folder.
void rekey(std::size_t members, bool durable);

}  // namespace akm::bench
