// Paths and bodies of requests.
#include "shardmgr/broker/management/encode.h"

#include <gtest/gtest.h>

#include "shardmgr/broker/management/paths.h"

namespace warren::management {
namespace {

TEST(ApiPath, EncodesEachNameAsOneSegment) {
  EXPECT_EQ(ApiPath({"queues", "/", "a b/c?"}), "/api/queues/%2F/a%20b%2Fc%3F");
  EXPECT_EQ(ApiPath({"queues", "\xC3\xBC", "100%"}), "/api/queues/%C3%BC/100%25");
}

TEST(QueueBody, AlwaysSaysTheQueueType) {
  QueueTemplate queue;
  queue.arguments = {{"x-max-length", 5}};
  EXPECT_EQ(QueueBody(queue, "a@h"), nlohmann::json::parse(R"({"durable":true,"auto_delete":false,"node":"a@h",
      "arguments":{"x-max-length":5,"x-queue-type":"classic"}})"));
  queue.type = QueueType::kQuorum;
  EXPECT_EQ(QueueBody(queue, "a@h")["arguments"]["x-queue-type"], "quorum");
}

TEST(Encode, RefusesTextThatIsNotUtf8) {
  const auto encoded = Encode({{"name", "\xff"}});
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace warren::management
