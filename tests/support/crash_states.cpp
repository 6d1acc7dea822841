#include "tests/support/crash_states.h"

#include <algorithm>
#include <set>

namespace akm::testing {

/// All that one state may differ in from another. A choice has two or more outcomes, numbered from that in
/// which the change is not there.
struct DiskModel::Choices {
  struct Sector {
    std::size_t node;
    std::size_t at;
    std::vector<std::string> outcomes;
  };
  struct Length {
    std::size_t node;
    std::vector<std::size_t> outcomes;
  };
  struct Name {
    std::size_t folder;
    std::size_t first;  // of its renames
    std::size_t count;  // a beginning of them: count + 1 outcomes
  };
  std::vector<Name> names;
  std::vector<Length> lengths;
  std::vector<Sector> sectors;

  [[nodiscard]] std::vector<std::size_t> radix() const {
    std::vector<std::size_t> out;
    for (const Name& one : names) out.push_back(one.count + 1);
    for (const Length& one : lengths) out.push_back(one.outcomes.size());
    for (const Sector& one : sectors) out.push_back(one.outcomes.size());
    return out;
  }
};

/// One state: what the folders name, and what the files hold that are not durable as they are.
struct DiskModel::Picked {
  std::map<std::size_t, Names> names;
  std::map<std::size_t, std::string> contents;

  Picked(const DiskModel& model, const Choices& choices, const std::vector<std::size_t>& outcome) {
    std::size_t at = 0;
    for (const auto& [folder, first, count] : choices.names) {
      const Node& node = model.nodes_.at(folder);
      const auto made = names.emplace(folder, node.names).first;
      for (std::size_t i = 0; i < outcome[at]; ++i) rename(made->second, node.renames[first + i]);
      ++at;
    }
    const std::size_t lengths = at;
    for (const auto& [node, outcomes_of] : choices.lengths) {
      std::string& content = contents[node] = model.nodes_.at(node).content;
      const std::size_t longest = std::max(content.size(), outcomes_of.back());
      content.resize((longest + kSectorBytes - 1) / kSectorBytes * kSectorBytes);
      ++at;
    }
    for (const auto& [node, place, outcomes_of] : choices.sectors) {
      contents[node].replace(place, kSectorBytes, outcomes_of[outcome[at++]]);
    }
    for (std::size_t i = 0; i < choices.lengths.size(); ++i) {
      contents[choices.lengths[i].node].resize(choices.lengths[i].outcomes[outcome[lengths + i]]);
    }
  }
};

namespace {

using Outcome = std::vector<std::size_t>;

template <typename State>
void each_of_all(const Outcome& radix, std::size_t total, const State& state) {
  Outcome outcome(radix.size());
  for (std::size_t n = 0; n < total; ++n) {
    std::size_t rest = n;
    for (std::size_t i = 0; i < radix.size(); ++i) {
      outcome[i] = rest % radix[i];
      rest /= radix[i];
    }
    state(outcome);
  }
}

/// Everything is there, nothing is, one thing differs from that; and names and lengths without the data,
/// which is what delayed allocation is known for.
template <typename State>
void each_of_edges(const Outcome& radix, std::size_t without_data, const State& state) {
  Outcome outcome(radix.size());
  for (const bool there : {false, true}) {
    const auto edge = [&](std::size_t i) { return there ? radix[i] - 1 : 0; };
    for (std::size_t i = 0; i < radix.size(); ++i) outcome[i] = edge(i);
    state(outcome);
    for (std::size_t i = 0; i < radix.size(); ++i) {
      outcome[i] = there ? 0 : radix[i] - 1;
      state(outcome);
      outcome[i] = edge(i);
    }
  }
  for (std::size_t i = 0; i < radix.size(); ++i) outcome[i] = i < without_data ? radix[i] - 1 : 0;
  state(outcome);
}

}  // namespace

void DiskModel::write(std::string& content, const Write& what) {
  if (what.resizes) return content.resize(what.at);
  if (content.size() < what.at + what.bytes.size()) content.resize(what.at + what.bytes.size());
  content.replace(what.at, what.bytes.size(), what.bytes);
}

void DiskModel::rename(Names& names, const Rename& what) {
  if (!what.gone.empty()) names.erase(what.gone);
  if (!what.name.empty()) names[what.name] = what.node;
}

DiskModel::Names DiskModel::names_seen(const Node& folder) const {
  Names names = folder.names;
  for (const Rename& one : folder.renames) rename(names, one);
  return names;
}

void DiskModel::sync(Node& node) {
  for (const Rename& one : node.renames) rename(node.names, one);
  for (const Write& one : node.writes) write(node.content, one);
  node.renames.clear();
  node.writes.clear();
}

void DiskModel::apply(const DiskCall& call) {
  using Kind = DiskCall::Kind;
  switch (call.kind) {
    case Kind::make_file:
    case Kind::make_folder:
      nodes_[call.node].is_folder = call.kind == Kind::make_folder;
      nodes_[call.folder].renames.push_back({{}, call.name, call.node});
      return;
    case Kind::write:
      nodes_[call.node].writes.push_back({call.at, {call.bytes.begin(), call.bytes.end()}});
      return;
    case Kind::resize:
      nodes_[call.node].writes.push_back({call.at, {}, true});
      return;
    case Kind::rename: {
      const Names names = names_seen(nodes_[call.folder]);
      nodes_[call.folder].renames.push_back({call.name, call.to, names.at(call.name)});
      return;
    }
    case Kind::unlink:
      nodes_[call.folder].renames.push_back({call.name, {}, 0});
      return;
    case Kind::sync:
      return sync(nodes_[call.node]);
    case Kind::sync_all:
      for (auto& [number, node] : nodes_) sync(node);
      return;
    case Kind::note:
      return;
  }
}

DiskModel::Choices DiskModel::choices(const Bounds& bounds) const {
  Choices out;
  for (const auto& [number, node] : nodes_) {
    const std::size_t renames = node.renames.size();
    if (bounds.names_in_order && renames > 0) out.names.push_back({number, 0, renames});
    for (std::size_t i = 0; i < renames && !bounds.names_in_order; ++i) out.names.push_back({number, i, 1});
    if (node.writes.empty()) continue;
    std::vector<std::string> versions{node.content};
    for (const Write& one : node.writes) write(versions.emplace_back(versions.back()), one);
    std::set<std::size_t> lengths;
    for (const std::string& one : versions) lengths.insert(one.size());
    const std::size_t longest = *lengths.rbegin();
    // Files grow by what has been allocated so far.
    for (std::size_t at = *lengths.begin() / kSectorBytes * kSectorBytes; at < longest; at += kSectorBytes)
      if (at > *lengths.begin()) lengths.insert(at);
    for (std::size_t at = 0; at < longest; at += kSectorBytes) {
      std::vector<std::string> outcomes;
      for (std::string& one : versions) {
        std::string sector = at < one.size() ? one.substr(at, kSectorBytes) : std::string();
        sector.resize(kSectorBytes);
        if (std::ranges::find(outcomes, sector) == outcomes.end()) outcomes.push_back(std::move(sector));
      }
      if (outcomes.size() > 1) out.sectors.push_back({number, at, std::move(outcomes)});
    }
    out.lengths.push_back({number, {lengths.begin(), lengths.end()}});
  }
  return out;
}

void DiskModel::collect(std::size_t folder, const std::string& path, const Picked& picked,
                        DiskTree& out) const {
  const auto chosen = picked.names.find(folder);
  for (const auto& [name, number] : chosen != picked.names.end() ? chosen->second : nodes_.at(folder).names) {
    const Node& node = nodes_.at(number);
    const std::string below = path.empty() ? name : path + "/" + name;
    const auto content = picked.contents.find(number);
    if (node.is_folder) {
      out.emplace(below, std::nullopt);
      collect(number, below, picked, out);
    } else {
      out.emplace(below, content != picked.contents.end() ? content->second : node.content);
    }
  }
}

void DiskModel::each_state(const Bounds& bounds, SeededRandom& random, const Visit& visit) const {
  const Choices all = choices(bounds);
  const auto state = [&](const Outcome& outcome) {
    DiskTree tree;
    collect(0, {}, Picked(*this, all, outcome), tree);
    visit(tree);
  };
  const Outcome radix = all.radix();
  std::size_t total = 1;
  for (const std::size_t one : radix) total = std::min(total * one, bounds.exhaustive + 1);
  if (total <= bounds.exhaustive) return each_of_all(radix, total, state);
  each_of_edges(radix, all.names.size() + all.lengths.size(), state);
  Outcome outcome(radix.size());
  for (std::size_t n = 0; n < bounds.samples; ++n) {
    for (std::size_t i = 0; i < radix.size(); ++i)
      outcome[i] = random.below(static_cast<std::uint32_t>(radix[i]));
    state(outcome);
  }
}

DiskTree DiskModel::seen() const {
  DiskModel copy = *this;
  for (auto& [number, node] : copy.nodes_) copy.sync(node);
  DiskTree tree;
  copy.collect(0, {}, Picked(copy, {}, {}), tree);
  return tree;
}

bool DiskModel::may_hold(std::string_view bytes) const {
  return std::ranges::any_of(nodes_, [bytes](const auto& one) {
    const Node& node = one.second;
    return node.content.find(bytes) != std::string::npos ||
           std::ranges::any_of(node.writes,
                               [bytes](const Write& w) { return w.bytes.find(bytes) != std::string::npos; });
  });
}

}  // namespace akm::testing
