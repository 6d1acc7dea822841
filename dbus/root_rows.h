#pragma once
// Lists of org.akm.Root1 on the bus: how a service appends them, and how a client reads them back.
#include <vector>

#include "daemon/root/control_port.h"
#include "dbus/message.h"

namespace akm::dbus {

void append_rows(Writer& out, const std::vector<root::NmmSnapshot>& rows);
void append_rows(Writer& out, const std::vector<store::ReportRow>& rows);
void append_rows(Writer& out, const std::vector<store::IncidentRow>& rows);
void append_rows(Writer& out, const std::vector<store::ConfigRecord>& rows);
void append_rows(Writer& out, const std::vector<store::Change>& rows);
void append_rows(Writer& out, const std::vector<store::FieldDifference>& rows);

// Texts are cleaned, because they end on a terminal. malformed, too_large. What a list does not carry (the
// kind of records that were asked for by kind) is left as it is made.
Status read_rows(Reader& in, std::vector<root::NmmSnapshot>& rows);
Status read_rows(Reader& in, std::vector<store::ReportRow>& rows);
Status read_rows(Reader& in, std::vector<store::IncidentRow>& rows);
Status read_rows(Reader& in, std::vector<store::ConfigRecord>& rows);
Status read_rows(Reader& in, std::vector<store::Change>& rows);
Status read_rows(Reader& in, std::vector<store::FieldDifference>& rows);
/// a{ss}, cleaned.
Result<store::Fields> read_fields(Reader& in);

}  // namespace akm::dbus
