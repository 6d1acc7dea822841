#include "daemon/protocol/control_method.h"

#include <criterion/criterion.h>

#include <set>
#include <string>

namespace {

using akm::protocol::ControlStatus;
using akm::protocol::Method;

Test(control_method, numbers_are_those_of_section_6) {
  cr_assert_eq(static_cast<int>(Method::activate), 1);
  cr_assert_eq(static_cast<int>(Method::switch_generation), 4);
  cr_assert_eq(static_cast<int>(Method::attest), 12);
  cr_assert_eq(static_cast<int>(Method::issue), 13);
  cr_assert_eq(static_cast<int>(Method::fence), 17);
  cr_assert_eq(static_cast<int>(Method::detection_policy), 19);
  cr_assert_eq(static_cast<int>(Method::configure), 18);
  cr_assert_eq(static_cast<int>(ControlStatus::hardware_mismatch), 3);
  cr_assert_eq(static_cast<int>(ControlStatus::not_supported), 9);
}

Test(control_method, each_has_its_own_name) {
  std::set<std::string> names;
  for (std::uint8_t i = 1; i <= 19; ++i) names.emplace(akm::protocol::method_name(static_cast<Method>(i)));
  cr_assert_eq(names.size(), 19);
  cr_assert(!names.contains("unknown"));
  names.clear();
  for (std::uint16_t i = 0; i <= 9; ++i) {
    names.emplace(akm::protocol::control_status_name(static_cast<ControlStatus>(i)));
  }
  cr_assert_eq(names.size(), 10);
  cr_assert(!names.contains("unknown"));
}

Test(control_method, a_number_from_elsewhere_has_no_name) {
  cr_assert_eq(akm::protocol::method_name(static_cast<Method>(20)), "unknown");
  cr_assert_eq(akm::protocol::control_status_name(static_cast<ControlStatus>(10)), "unknown");
}

}  // namespace
