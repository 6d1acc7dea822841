#include "tools/akmctl/openmetrics.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::ctl;

Test(openmetrics, counters_and_labels_keep_to_the_format) {
  node::StatusSnapshot status;
  status.node_name = "a\"b\\c";
  status.counters = {{"frames-sent", 1}, {"rekeys_total", 2}};
  const std::string text = node_metrics(status, {});
  cr_assert(text.contains("name=\"a\\\"b\\\\c\""), "%s", text.c_str());
  cr_assert(text.contains("# TYPE akm_node_frames_sent counter\nakm_node_frames_sent_total 1\n"));
  cr_assert(text.contains("akm_node_rekeys_total 2\n"));
  cr_assert_not(text.contains("total_total"));
  cr_assert_not(text.contains("akm_asr_"));
}

Test(openmetrics, nodes_are_counted_by_state) {
  nmm::NodeSnapshot node;
  node.state = "active";
  const std::string text = nmm_metrics({}, {node, node});
  cr_assert(text.contains("akm_nmm_nodes{state=\"active\"} 2\n"), "%s", text.c_str());
}

Test(openmetrics, newlines_are_escaped) {
  cr_assert_eq(escape_label("a\nb"), "a\\nb");
}
