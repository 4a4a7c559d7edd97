// What the FDB promises, written down as slowly and plainly as possible: a map that is searched from end to end. FdbModelRun
// drives the real one beside it, one operation of four bytes at a time. Where the FDB has a choice (which of several equally
// large owners or networks gives an entry up), the model accepts any right one and follows.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fdb/fdb.h"

namespace weft {

class FdbModelRun {
 public:
  static constexpr NetworkIndex kNetworks = 3;
  static constexpr Mac kMacs = 24;

  // `shape` picks the capacity and the limits.
  explicit FdbModelRun(uint32_t shape) : capacity_(20 + shape % 60), fdb_({0x452821e638d01377, 0xbe5466cf34e90c6c}, capacity_) {
    for (NetworkIndex network = 0; network < kNetworks; ++network) {
      FdbNetworkLimits& limits = limits_[network];
      limits = {.age = 20 + (shape >> 6 & 31) * network, .limit = 6 + (shape >> 11 & 15) + network,
                .limit_per_port = 3 + (shape >> 15 & 7), .move_count = shape >> 18 & 3, .move_window = 30, .move_freeze = 15};
      fdb_.set_limits(network, limits);
    }
  }

  // The first thing that differs, or nothing.
  std::optional<std::string> step(std::array<uint8_t, 4> op) {
    const Key key{op[1] % kNetworks, op[2] % kMacs + 1};
    const Destination where{static_cast<DestinationKind>(op[3] & 1), static_cast<uint16_t>(op[3] >> 1 & 3)};
    std::optional<std::string> error;
    switch (op[0] % 32) {
      case 0: error = sweep(); break;
      case 1: flush([&](const Key&, const Entry& entry) { return entry.where == where; }); fdb_.flush_destination(where); break;
      case 2:
        if (op[3] > 64) break;  // seldom, or no table ever fills
        flush([&](const Key& at, const Entry&) { return at.first == key.first; });
        fdb_.flush_network(key.first);
        break;
      case 3:
        flush([&](const Key& at, const Entry& entry) { return at.first == key.first && !entry.declared; });
        fdb_.flush_learned(key.first);
        break;
      case 4: error = remove(key); break;
      case 5:
      case 6: error = declare(key, where); break;
      case 7: now_ += op[3] % 40; break;
      case 8:
        if (op[3] == 255) now_ += 65536;
        break;
      case 9: error = compare_all(); break;
      default: error = learn(key, where); break;
    }
    if (error) return error;
    return compare(key);
  }

  std::optional<std::string> compare_all() {
    std::array<Fdb::Count, kNetworks> counts{};
    for (const auto& [key, entry] : entries_) ++(entry.declared ? counts[key.first].declared : counts[key.first].learned);
    for (NetworkIndex network = 0; network < kNetworks; ++network) {
      const Fdb::Count count = fdb_.count(network);
      if (count.learned != counts[network].learned || count.declared != counts[network].declared) return "count()";
      for (Mac mac = 1; mac <= kMacs; ++mac) {
        if (auto error = compare({network, mac})) return error;
      }
    }
    const std::vector<FdbEntry> dump = fdb_.dump(std::nullopt, now_, 1000);
    if (dump.size() != entries_.size()) return "dump() has another size";
    for (const FdbEntry& shown : dump) {
      const auto at = entries_.find({shown.network, shown.mac});
      if (at == entries_.end()) return "dump() shows what is not there";
      const Entry& entry = at->second;
      if (shown.where != entry.where || shown.declared != entry.declared) return "dump() shows the wrong place";
      if (shown.idle != (entry.declared ? 0 : now_ - entry.seen)) return "dump() shows the wrong idle time";
      if (shown.frozen != (now_ < entry.frozen_until)) return "dump() shows the wrong freeze";
    }
    const FdbCounters is = fdb_.counters();
    const FdbCounters& is_to_be = counters_;
    if (is.learned != is_to_be.learned || is.moved != is_to_be.moved || is.expired != is_to_be.expired ||
        is.evicted != is_to_be.evicted || is.flushed != is_to_be.flushed || is.frozen != is_to_be.frozen ||
        is.refused_port != is_to_be.refused_port || is.refused_network != is_to_be.refused_network) {
      return "counters()";
    }
    return std::nullopt;
  }

  const FdbCounters& counters() const { return counters_; }

 private:
  using Key = std::pair<NetworkIndex, Mac>;
  struct Entry {
    Destination where;
    bool declared = false;
    Seconds seen = 0;
    Seconds frozen_until = 0;
    uint32_t tick = 0;
    bool proven = false;  // used in a later second than the one it was learned in
    uint64_t used = 0;    // order of the last use
  };
  struct Moves {
    Seconds expires = 0;
    uint32_t count = 0;
  };

  std::optional<std::string> compare(const Key& key) const {
    const auto at = entries_.find(key);
    const std::optional<Destination> found = fdb_.find(key.first, key.second);
    if (!found && at == entries_.end()) return std::nullopt;
    if (!found) return "find() misses an entry";
    if (at == entries_.end()) return "find() finds what is not there";
    if (*found != at->second.where) return "find() finds the wrong place";
    return std::nullopt;
  }

  uint32_t learned(NetworkIndex network, std::optional<Destination> where = std::nullopt) const {
    return static_cast<uint32_t>(std::count_if(entries_.begin(), entries_.end(), [&](const auto& each) {
      return each.first.first == network && !each.second.declared && (!where || each.second.where == *where);
    }));
  }

  bool port_full(NetworkIndex network, Destination where) const {
    return where.kind == DestinationKind::port && learned(network, where) >= limits_[network].limit_per_port;
  }

  // The entries that may rightly be evicted from `network` for `asker`.
  std::vector<Key> victims(NetworkIndex network, std::optional<Destination> asker) const {
    uint32_t most = 0;
    std::vector<Destination> owners;
    for (const auto& [key, entry] : entries_) {
      if (key.first != network || entry.declared) continue;
      if (std::find(owners.begin(), owners.end(), entry.where) == owners.end()) owners.push_back(entry.where);
    }
    for (const Destination& owner : owners) most = std::max(most, learned(network, owner));
    const uint32_t mine = asker ? learned(network, asker) : 0;
    std::erase_if(owners, [&](const Destination& owner) {
      return mine > 0 && mine + 1 >= most ? owner != *asker : learned(network, owner) != most;
    });
    std::vector<Key> keys;
    for (const Destination& owner : owners) {
      const auto owned = [&](const auto& each) {
        return each.first.first == network && !each.second.declared && each.second.where == owner;
      };
      const auto proven = std::count_if(entries_.begin(), entries_.end(),
                                        [&](const auto& each) { return owned(each) && each.second.proven; });
      const bool take_proven = proven * 4 > int64_t{learned(network, owner)} * 3;
      const std::pair<const Key, Entry>* oldest = nullptr;
      for (const auto& each : entries_) {
        if (!owned(each) || each.second.proven != take_proven) continue;
        if (oldest == nullptr || each.second.used < oldest->second.used) oldest = &each;
      }
      keys.push_back(oldest->first);
    }
    return keys;
  }

  std::vector<Key> victims_for_capacity(NetworkIndex network, std::optional<Destination> asker) const {
    uint32_t most = 0;
    for (NetworkIndex each = 0; each < kNetworks; ++each) most = std::max(most, learned(each));
    const uint32_t mine = learned(network);
    if (mine > 0 && mine + 1 >= most) return victims(network, asker);
    std::vector<Key> keys;
    for (NetworkIndex each = 0; each < kNetworks; ++each) {
      if (learned(each) != most) continue;
      const std::vector<Key> some = victims(each, std::nullopt);
      keys.insert(keys.end(), some.begin(), some.end());
    }
    return keys;
  }

  // After the FDB evicted one of `allowed`: removes the same one here.
  std::optional<std::string> follow_eviction(std::vector<Key> allowed) {
    std::sort(allowed.begin(), allowed.end());
    allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
    std::erase_if(allowed, [&](const Key& key) { return fdb_.find(key.first, key.second).has_value(); });
    if (allowed.size() != 1) return "evicted " + std::to_string(allowed.size()) + " of those it may evict";
    entries_.erase(allowed.front());
    ++counters_.evicted;
    return std::nullopt;
  }

  std::optional<std::string> learn(const Key& key, Destination where) {
    std::vector<Key> allowed;
    const LearnResult expected = expect_learn(key, where, allowed);
    const LearnResult result = fdb_.learn(key.first, key.second, where, now_);
    if (result != expected) {
      return "learn() says " + std::to_string(static_cast<int>(result)) + " and not " +
             std::to_string(static_cast<int>(expected));
    }
    if (!allowed.empty()) {
      if (auto error = follow_eviction(allowed)) return error;
    }
    return std::nullopt;
  }

  LearnResult expect_learn(const Key& key, Destination where, std::vector<Key>& allowed) {
    const auto at = entries_.find(key);
    const NetworkIndex network = key.first;
    const FdbNetworkLimits& limits = limits_[network];
    if (at != entries_.end()) {
      Entry& entry = at->second;
      if (entry.declared) return entry.where == where ? LearnResult::known : LearnResult::declared_elsewhere;
      if (entry.where == where) {
        const auto idle = static_cast<uint16_t>(tick(network) - entry.tick);
        if (idle == 0 || idle == 0xffff) return LearnResult::known;
        if (now_ > entry.seen) entry.proven = true;
        use(network, entry);
        return LearnResult::known;
      }
      if (now_ < entry.frozen_until) return LearnResult::frozen;
      if (port_full(network, where)) return refuse(counters_.refused_port, LearnResult::port_full);
      entry.where = where;
      entry.frozen_until = 0;
      entry.proven = false;
      use(network, entry);
      ++counters_.moved;
      if (limits.move_count == 0) return LearnResult::moved;
      Moves& moves = moves_[key];
      if (now_ >= moves.expires) moves = {now_ + limits.move_window, 0};
      if (++moves.count < limits.move_count) return LearnResult::moved;
      moves = {};
      entry.frozen_until = now_ + limits.move_freeze;
      ++counters_.frozen;
      return LearnResult::froze;
    }
    if (port_full(network, where)) return refuse(counters_.refused_port, LearnResult::port_full);
    if (learned(network) >= limits.limit) {
      allowed = victims(network, where);
      if (allowed.empty()) return refuse(counters_.refused_network, LearnResult::network_full);
    } else if (entries_.size() == capacity_) {
      allowed = victims_for_capacity(network, where);
      if (allowed.empty()) return refuse(counters_.refused_network, LearnResult::network_full);
    }
    use(network, entries_[key] = {.where = where});
    ++counters_.learned;
    ++learned_ever_[network];  // the limits are below 128: each new entry is a tick
    return LearnResult::learned;
  }

  LearnResult refuse(uint64_t& counter, LearnResult result) {
    ++counter;
    return result;
  }

  uint32_t tick(NetworkIndex network) const { return now_ + learned_ever_[network]; }

  void use(NetworkIndex network, Entry& entry) {
    entry.seen = now_;
    entry.tick = tick(network);
    entry.used = ++uses_;
  }

  std::optional<std::string> declare(const Key& key, Destination where) {
    std::vector<Key> allowed;
    const bool full = entries_.size() == capacity_ && !entries_.contains(key);
    if (full) allowed = victims_for_capacity(key.first, std::nullopt);
    const bool possible = !full || !allowed.empty();
    if (possible) entries_[key] = {.where = where, .declared = true};
    if (fdb_.declare(key.first, key.second, where) != possible) return "declare()";
    return allowed.empty() ? std::nullopt : follow_eviction(allowed);
  }

  std::optional<std::string> remove(const Key& key) {
    const bool existed = entries_.erase(key) != 0;
    if (existed) moves_.erase(key);
    if (fdb_.remove(key.first, key.second) != existed) return "remove()";
    return std::nullopt;
  }

  std::optional<std::string> sweep() {
    counters_.expired += std::erase_if(entries_, [&](const auto& each) {
      return !each.second.declared && now_ - each.second.seen >= limits_[each.first.first].age;
    });
    fdb_.sweep(now_);
    return compare_all();
  }

  template <typename Chosen>
  void flush(Chosen chosen) {
    counters_.flushed += std::erase_if(entries_, [&](const auto& each) { return chosen(each.first, each.second); });
  }

  const uint32_t capacity_;
  Fdb fdb_;
  std::array<FdbNetworkLimits, kNetworks> limits_;
  Seconds now_ = 1000;
  uint64_t uses_ = 0;
  std::array<uint32_t, kNetworks> learned_ever_{};
  std::map<Key, Entry> entries_;
  std::map<Key, Moves> moves_;
  FdbCounters counters_;
};

}  // namespace weft
