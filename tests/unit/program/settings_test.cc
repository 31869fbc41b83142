// Secrets from files: what counts as one, and who may read it.
#include "shardmgr/program/settings.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <fstream>

namespace warren::program {
namespace {

class SecretFile : public ::testing::Test {
 protected:
  ~SecretFile() override { std::remove(path_.c_str()); }
  Result<std::string> Read(const std::string& content) {
    std::ofstream(path_, std::ios::binary) << content;
    return ReadSecretFile(path_);
  }
  const std::string path_ = ::testing::TempDir() + "settings_test_" + std::to_string(::getpid());
};

TEST_F(SecretFile, IsReadWithoutTheNewlineAtItsEnd) {
  EXPECT_EQ(Read("secret\n"), "secret");
  EXPECT_EQ(Read("secret\r\n"), "secret");
  EXPECT_EQ(Read(" with spaces "), " with spaces ");
}

TEST_F(SecretFile, IsRefusedWhenItIsNoSecret) {
  EXPECT_FALSE(Read(""));
  EXPECT_FALSE(Read("\n"));
  EXPECT_FALSE(Read("two\nlines\n"));
  EXPECT_FALSE(Read(std::string("a\0b", 3)));
  EXPECT_FALSE(Read(std::string(5000, 'x')));
  EXPECT_FALSE(ReadSecretFile("/nonexistent/file"));
  EXPECT_EQ(ReadSecretFile("/nonexistent/file").error().code, ErrorCode::kConfiguration);
}

TEST_F(SecretFile, ThatEveryoneMayReadIsWarnedOf) {
  ASSERT_TRUE(Read("secret"));
  ::chmod(path_.c_str(), 0600);
  EXPECT_EQ(ReadableByOthers(path_), "");
  ::chmod(path_.c_str(), 0644);
  EXPECT_NE(ReadableByOthers(path_).find(path_), std::string::npos);
}

}  // namespace
}  // namespace warren::program
