// The file of passwords: who may read it, what it may hold, and that a change of it counts.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "coordinator/credentials_file.h"

namespace warren::coordinator {
namespace {

class CredentialsFileTest : public ::testing::Test {
 protected:
  ~CredentialsFileTest() override { std::filesystem::remove(path_); }
  void Write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(path_, std::ios::trunc) << text;
    ::chmod(path_.c_str(), mode);
  }
  std::string Complaint(CredentialsFile& file) {
    const auto read = file.Refresh();
    EXPECT_FALSE(read);
    if (read) return {};
    EXPECT_EQ(read.error().code, ErrorCode::kConfiguration);
    return read.error().ToString();
  }

  const std::string path_ =
      (std::filesystem::path(::testing::TempDir()) / ("credentials_test_" + std::to_string(::getpid()))).string();
};

TEST_F(CredentialsFileTest, HoldsThePasswordsOfUsersAndIsReadAgainWhenItChanges) {
  Write(R"({"alice": "one", "bob": "two"})", 0640);
  CredentialsFile file(path_);
  ASSERT_TRUE(file.Refresh());
  EXPECT_EQ(file.passwords(), (Passwords{{"alice", "one"}, {"bob", "two"}}));
  EXPECT_EQ(file.users(), (std::vector<std::string>{"alice", "bob"}));
  Write(R"({"alice": "another"})");
  ASSERT_TRUE(file.Refresh());
  EXPECT_EQ(file.passwords(), (Passwords{{"alice", "another"}}));
}

TEST_F(CredentialsFileTest, IsRefusedWhenOthersMayReadItOrItIsNoRegularFile) {
  for (const mode_t mode : {0604, 0602, 0601, 0644}) {
    Write(R"({"alice": "one"})", mode);
    CredentialsFile file(path_);
    EXPECT_NE(Complaint(file).find("chmod o-rwx"), std::string::npos);
    EXPECT_TRUE(file.passwords().empty());
  }
  CredentialsFile folder(::testing::TempDir());
  EXPECT_NE(Complaint(folder).find("not a regular file"), std::string::npos);
  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  CredentialsFile pipe(path_);
  EXPECT_NE(Complaint(pipe).find("not a regular file"), std::string::npos);
  std::filesystem::remove(path_);
  CredentialsFile missing(path_);
  EXPECT_NE(Complaint(missing).find(path_), std::string::npos);
}

TEST_F(CredentialsFileTest, KeepsWhatItReadWhenTheFileGoesWrong) {
  Write(R"({"alice": "one"})");
  CredentialsFile file(path_);
  ASSERT_TRUE(file.Refresh());
  Write(R"({"alice": "half)");
  (void)Complaint(file);
  EXPECT_EQ(file.passwords().at("alice"), "one");
  Write(R"({"alice": "whole"})");
  ASSERT_TRUE(file.Refresh());
  EXPECT_EQ(file.passwords().at("alice"), "whole");
}

TEST_F(CredentialsFileTest, HasALimit) {
  Write("{\"alice\": \"" + std::string(kMaxCredentialsFileBytes, 'x') + "\"}");
  CredentialsFile file(path_);
  EXPECT_NE(Complaint(file).find("1 MiB"), std::string::npos);
}

TEST(ParseCredentials, TakesAnObjectOfTextsAloneAndNeverRepeatsWhatItReads) {
  for (const char* text : {"", "[]", "\"s3cr3t\"", "{\"u\": \"s3cr3t\"", R"({"u": 1})", R"({"u": ["s3cr3t"]})",
                           R"({"u": null})", R"({"u": "s3cr3t", "u": "s3cr3t"})", R"({"": "s3cr3t"})", R"({"u": ""})",
                           R"({"u": "s3cr3t\u0000"})", "s3cr3t"}) {
    const auto parsed = ParseCredentials(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().ToString().find("s3cr3t"), std::string::npos) << text;
  }
  EXPECT_TRUE(ParseCredentials("{}"));
  EXPECT_FALSE(ParseCredentials("{\"" + std::string(256, 'u') + "\": \"x\"}"));
  EXPECT_FALSE(ParseCredentials("{\"u\": \"" + std::string(4097, 'x') + "\"}"));
}

TEST(CredentialsFile, WithoutAPathThereAreNoPasswords) {
  CredentialsFile file("");
  EXPECT_TRUE(file.Refresh());
  EXPECT_TRUE(file.users().empty());
}

}  // namespace
}  // namespace warren::coordinator
