#include "daemon/store/fields_text.h"

#include <nlohmann/json.hpp>

namespace akm::store {
namespace {

using Json = nlohmann::json;

// Takes an object of strings and ends the parsing at anything else: no tree is built from hostile text.
class FieldsHandler final : public nlohmann::json_sax<Json> {
 public:
  Fields fields;
  bool ended = false;

  bool null() override { return false; }
  bool boolean(bool) override { return false; }
  bool number_integer(number_integer_t) override { return false; }
  bool number_unsigned(number_unsigned_t) override { return false; }
  bool number_float(number_float_t, const string_t&) override { return false; }
  bool binary(binary_t&) override { return false; }
  bool start_array(std::size_t) override { return false; }
  bool end_array() override { return false; }
  bool start_object(std::size_t) override { return !std::exchange(open_, true); }
  bool end_object() override {
    ended = true;
    return true;
  }
  bool key(string_t& name) override {
    name_ = name;
    return fields.size() < kFieldsMax && !fields.contains(name);
  }
  bool string(string_t& value) override {
    if (!open_) return false;
    fields.emplace(name_, value);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool open_ = false;
  std::string name_;
};

// Each byte of a value is at most six of text ("\u0001"); beyond that nothing is ours.
constexpr std::size_t kTextBytes = kFieldsBytes * 6;

}  // namespace

std::string fields_to_text(const Fields& fields) {
  // Fields are clean UTF-8 already; "replace" is what keeps the library from throwing.
  return Json(fields).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Fields> fields_from_text(std::string_view text) {
  FieldsHandler handler;
  if (text.size() > kTextBytes || !Json::sax_parse(text, &handler) || !handler.ended) {
    return fail(Errc::state_corrupt, "a record is no object of texts");
  }
  if (!check_fields(handler.fields))
    return fail(Errc::state_corrupt, "a record has a field that it cannot have");
  return std::move(handler.fields);
}

}  // namespace akm::store
