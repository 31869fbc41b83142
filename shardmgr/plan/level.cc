// See level.h. Like water: there is one level up to which the lower bins are filled, and what is left then lifts some
// of them by one more.
#include "shardmgr/plan/level.h"

#include <algorithm>

namespace warren {
namespace {

struct Water {
  std::size_t level = 0;  ///< Bins below hold this much at the end.
  std::size_t extra = 0;  ///< So many of those that hold no more than that get one more.
};

Water Fill(std::vector<std::size_t> loads, std::size_t items) {
  std::sort(loads.begin(), loads.end());
  std::size_t level = loads.front();
  std::size_t left = items;
  for (std::size_t lifted = 1; lifted <= loads.size(); ++lifted) {
    const bool last = lifted == loads.size();
    const std::size_t rise = last ? left / lifted : std::min(loads[lifted] - level, left / lifted);
    level += rise;
    left -= rise * lifted;
    if (last || level < loads[lifted]) break;
  }
  return {level, left};
}

class Leveller {
 public:
  Leveller(const std::vector<std::size_t>& loads, std::size_t items) : bins_(items, kNoBin) {
    const Water water = Fill(loads, items);
    extra_ = water.extra;
    for (const std::size_t load : loads) {
      room_.push_back(water.level - std::min(load, water.level));
      takes_extra_.push_back(load <= water.level);
    }
  }

  /// An item that has few wishes goes before one that has many.
  void Grant(const std::vector<std::vector<std::size_t>>& wishes) {
    std::vector<std::size_t> order;
    for (std::size_t item = 0; item < wishes.size(); ++item) {
      if (!wishes[item].empty()) order.push_back(item);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return wishes[a].size() < wishes[b].size(); });
    for (const bool above : {false, true}) {
      for (const std::size_t item : order) {
        for (const std::size_t bin : wishes[item]) {
          if (bins_[item] == kNoBin && bin < room_.size() && Takes(bin, above)) bins_[item] = bin;
        }
      }
    }
  }

  std::vector<std::size_t> Rest() && {
    std::size_t bin = 0;
    bool above = false;
    for (std::size_t& of : bins_) {
      while (of == kNoBin && (bin < room_.size() || !above)) {
        if (bin == room_.size()) {
          above = true;
          bin = 0;
        } else if (Takes(bin, above)) {
          of = bin;
        } else {
          ++bin;
        }
      }
    }
    return std::move(bins_);
  }

 private:
  /// Takes a place in the bin: up to the level, or the one above it.
  bool Takes(std::size_t bin, bool above) {
    if (room_[bin] > 0) {
      --room_[bin];
      return true;
    }
    if (!above || extra_ == 0 || !takes_extra_[bin]) return false;
    takes_extra_[bin] = false;
    --extra_;
    return true;
  }

  std::vector<std::size_t> bins_;  ///< Of each item.
  std::vector<std::size_t> room_;
  std::vector<bool> takes_extra_;
  std::size_t extra_ = 0;
};

}  // namespace

std::vector<std::size_t> LevelOut(const std::vector<std::size_t>& loads,
                                  const std::vector<std::vector<std::size_t>>& wishes) {
  if (loads.empty()) return std::vector<std::size_t>(wishes.size(), kNoBin);
  Leveller leveller(loads, wishes.size());
  leveller.Grant(wishes);
  return std::move(leveller).Rest();
}

}  // namespace warren
