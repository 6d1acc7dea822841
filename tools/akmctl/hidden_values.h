#pragma once
// What nobody may see of settings, left out of what is shown: a message may repeat a value that a daemon, or
// a library, could not use.
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace akm::ctl {

class HiddenValues {
 public:
  /// The text of a setting: a word, a connection's "name=value ..." or URI, a PKCS#11 URI. What it holds
  /// besides names, hosts and the like is hidden as a whole and in each part that a message may repeat. Parts
  /// of fewer than four characters are not: they stand in many a word.
  void add(std::string_view text);
  /// Each of them, also as JSON has it, becomes "(left out)".
  void leave_out(std::string& text) const;

 private:
  void add_word(std::string_view word);
  void add_password_of(std::string_view uri);

  /// So that a part of one does not go before the whole.
  struct LongerFirst {
    bool operator()(const std::string& one, const std::string& other) const {
      return std::pair(other.size(), std::string_view(other)) < std::pair(one.size(), std::string_view(one));
    }
  };
  std::set<std::string, LongerFirst> words_;
};

}  // namespace akm::ctl
