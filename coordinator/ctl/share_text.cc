// Rounding.
#include "coordinator/ctl/share_text.h"

#include <algorithm>
#include <cmath>

namespace warren::ctl {
namespace {

int Percent(double share) {
  const int rounded = static_cast<int>(std::lround(share * 100));
  if (share < 1.0) return std::min(rounded, 99);
  return 100;
}

}  // namespace

std::string ShareText(const MovedKeys& moved) {
  if (moved.most <= 0) return "none";
  const int least = Percent(moved.least);
  const int most = Percent(moved.most);
  if (most == 0) return "under 1 %";
  if (least == most) return std::to_string(least) + " %";
  return std::to_string(least) + "–" + std::to_string(most) + " %";
}

}  // namespace warren::ctl
