#pragma once
// Snapshots as clients get them back from properties: the reverse of the adaptors.
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/nmm/control_port.h"
#include "daemon/node/control_port.h"
#include "daemon/root/control_port.h"
#include "dbus/message.h"

namespace akm::dbus {

// Properties that are unknown (of a newer daemon) are skipped; one of another type is malformed.

/// a{sv}, from Properties.GetAll.
Result<node::StatusSnapshot> read_node_status(Reader& in);
Result<nmm::StatusSnapshot> read_nmm_status(Reader& in);
Result<root::StatusSnapshot> read_root_status(Reader& in);
Result<AsrSnapshot> read_asr(Reader& in);
/// a{oa{sa{sv}}}, from ObjectManager.GetManagedObjects: the objects with org.akm.Asr1, by id.
Result<std::vector<AsrSnapshot>> read_managed_asrs(Reader& in);
/// a(tssusxats), from ListNodes.
Result<std::vector<nmm::NodeSnapshot>> read_nodes(Reader& in);
/// a(sstsass), from ListDrives.
Result<std::vector<nmm::DriveSnapshot>> read_drives(Reader& in);
/// Arguments of the signal Event.
Result<EventRecord> read_event(Reader& in);

}  // namespace akm::dbus
