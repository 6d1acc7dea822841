#include "tools/akmctl/openmetrics.h"

#include <criterion/criterion.h>

#include <set>
#include <sstream>

using namespace akm;
using namespace akm::ctl;

namespace {

/// Each family has one head and all its samples behind it, or no reader takes the text.
void expect_in_one_piece(const std::string& text) {
  std::set<std::string> heads;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE "))
      cr_expect(heads.insert(line.substr(7, line.find(' ', 7) - 7)).second, "%s", line.c_str());
  }
  cr_assert_gt(heads.size(), 2);
}

}  // namespace

Test(openmetrics, counters_and_labels_keep_to_the_format) {
  node::StatusSnapshot status;
  status.node_name = "a\"b\\c";
  status.counters = {{"frames_sent", 1},
                     {"rekeys-of_total", 2},
                     {"refused_late", 3},
                     {"refused_bad-type", 4},
                     {"gate_known_ids", 5}};
  const std::string text = node_metrics(status, {});
  cr_assert(text.contains("name=\"a\\\"b\\\\c\""), "%s", text.c_str());
  cr_assert(text.contains("# TYPE akm_node_frames_sent counter\nakm_node_frames_sent_total 1\n"));
  cr_assert(text.contains("akm_node_rekeys_of_total 2\n"), "what is not known is told all the same");
  cr_assert(text.contains(
      "akm_node_refused_total{reason=\"bad-type\"} 4\nakm_node_refused_total{reason=\"late\"} 3\n"));
  cr_assert(text.contains("# TYPE akm_node_gate_known_ids gauge\nakm_node_gate_known_ids 5\n"));
  cr_assert(text.contains("# TYPE akm_node info\nakm_node_info{"));
  cr_assert_not(text.contains("total_total"));
  cr_assert_not(text.contains("akm_asr_"));
  expect_in_one_piece(text);
}

Test(openmetrics, the_exact_name_comes_before_what_begins_so) {
  node::StatusSnapshot status;
  status.counters = {{"probe_lost_ring_full", 1},
                     {"probe_lost_tpm_device", 2},
                     {"probe_made", 3},
                     {"probe_made_tpm_device", 4}};
  const std::string text = node_metrics(status, {});
  cr_assert(text.contains("akm_node_probe_lost_ring_full_total 1\n"), "%s", text.c_str());
  cr_assert(text.contains("akm_node_probe_watch_lost_total{watch=\"tpm_device\"} 2\n"));
  cr_assert(text.contains("akm_node_probe_made_total 3\n"));
  cr_assert(text.contains("akm_node_probe_watch_made_total{watch=\"tpm_device\"} 4\n"));
}

Test(openmetrics, nodes_are_counted_by_state) {
  nmm::NodeSnapshot node;
  node.state = "active";
  nmm::StatusSnapshot status;
  status.counters = {{"nodes", 2}, {"relationships", 1}};
  const std::string text = nmm_metrics(status, {node, node});
  cr_assert(text.contains("akm_nmm_nodes{state=\"active\"} 2\n"), "%s", text.c_str());
  cr_assert(text.contains("akm_nmm_nodes_known 2\n"));
  expect_in_one_piece(text);
}

// https://github.com/prometheus/common, expfmt.TextParser: no "info", and the head has the name of the
// samples.
Test(openmetrics, the_older_format_for_node_exporter) {
  root::StatusSnapshot status;
  status.counters = {{"frames_sent", 1}, {"nmms", 2}};
  const std::string text = root_metrics(status, {}, TextFormat::prometheus);
  cr_assert(text.contains("# TYPE akm_root_info gauge\nakm_root_info{"), "%s", text.c_str());
  cr_assert(text.contains(
      "# HELP akm_root_frames_sent_total Datagrams sent\n# TYPE akm_root_frames_sent_total counter\n"
      "akm_root_frames_sent_total 1\n"));
  cr_assert_not(text.contains(" info\n"));
}

Test(openmetrics, newlines_are_escaped) {
  cr_assert_eq(escape_label("a\nb"), "a\\nb");
}
