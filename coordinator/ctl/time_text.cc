// Cuts what people do not read out of a time.
#include "coordinator/ctl/time_text.h"

namespace warren::ctl {

std::string TimeText(std::string_view time) {
  constexpr std::size_t kDateLength = 10, kClockLength = 8;
  if (time.size() < kDateLength + 1 + kClockLength || time[kDateLength] != 'T' || !time.ends_with('Z'))
    return std::string(time);
  std::string text(time.substr(0, kDateLength + 1 + kClockLength));
  text[kDateLength] = ' ';
  return text.append("Z");
}

}  // namespace warren::ctl
