// Names into path segments.
#include "shardmgr/broker/management/paths.h"

#include "policies/names.h"

namespace warren::management {

std::string ApiPath(std::initializer_list<std::string_view> segments) {
  std::string path = "/api";
  for (const std::string_view segment : segments) {
    path += '/';
    path += policies::PercentEncode(segment);
  }
  return path;
}

}  // namespace warren::management
