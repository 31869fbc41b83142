// What is read from the outcome of a plan.
#include "coordinator/digest.h"

#include <gtest/gtest.h>

namespace warren::coordinator {
namespace {

TEST(Digest, WhatWasDoneToAShardInTheRingIsNotWhatWasDoneToItElsewhere) {
  StreamOutcome outcome;
  outcome.exchange = "shard.x";
  ActionOutcome unbound;
  unbound.kind = ActionKind::kUnbindExchange;
  unbound.exchange = "another shard's alternate";
  unbound.queue = "a shard";
  unbound.attempted = true;
  outcome.actions = {unbound};
  EXPECT_FALSE(Did(outcome, ActionKind::kUnbindExchange, "a shard"));
  outcome.actions[0].exchange = "shard.x";
  EXPECT_TRUE(Did(outcome, ActionKind::kUnbindExchange, "a shard"));
}

}  // namespace
}  // namespace warren::coordinator
