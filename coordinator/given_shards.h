// GivenShards: the assignment of one consumer as a coordinator keeps it: without what is said elsewhere, and with one
// list of local shards for all consumers of a node, since there may be thousands of both.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shardmgr/model/assignment.h"

namespace warren::coordinator {

struct GivenShards {
  std::string node;  ///< Of the consumer.
  AssignmentNumber number;
  std::shared_ptr<const std::vector<std::string>> local;  ///< Shards on that node; never null.
  std::vector<std::string> others;

  /// All of them, local ones first.
  std::vector<std::string> shards() const {
    std::vector<std::string> all = *local;
    all.insert(all.end(), others.begin(), others.end());
    return all;
  }
};

}  // namespace warren::coordinator
