// Options: precedence, places of mistakes, and values that are checked before a program starts.
#include "shardmgr/program/options.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace warren::program {
namespace {

OptionSet Sample() {
  OptionSet options("warren-sample", "[OPTIONS]", "A sample.");
  options.Take(kManagementOption | kNodeOption | kNodeAddressOption | kCredentialOptions | kVhostOption | kLogOptions)
      .Add({.name = "interval", .kind = OptionKind::kDuration, .placeholder = "DURATION", .default_value = "5s"})
      .Add({.name = "once", .kind = OptionKind::kFlag})
      .Add({.name = "concurrency", .kind = OptionKind::kInteger, .default_value = "4", .minimum = 1, .maximum = 64})
      .MetricsListen("127.0.0.1:0");
  return options;
}

Result<Parsed> Parse(std::vector<const char*> line, std::vector<const char*> environment = {}) {
  line.insert(line.begin(), "warren-sample");
  environment.push_back(nullptr);
  return Sample().Parse(static_cast<int>(line.size()), line.data(), environment.data());
}

/// A configuration file that goes with the test.
class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text)
      : path_(::testing::TempDir() + "options_test_" + std::to_string(::getpid())) {
    std::ofstream(path_) << text;
    argument_ = "--config=" + path_;
  }
  ~ConfigFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }
  const char* argument() const { return argument_.c_str(); }

 private:
  std::string path_;
  std::string argument_;
};

TEST(Options, CommandLineBeatsEnvironmentBeatsFileBeatsDefault) {
  const ConfigFile file("# comment\ninterval = 30s\nvhost = from-file\nuser=filer\n");
  const auto parsed =
      Parse({file.argument(), "--interval", "10s"}, {"WARREN_INTERVAL=20s", "WARREN_VHOST=from-environment"});
  ASSERT_TRUE(parsed) << parsed.error().ToString();
  EXPECT_EQ(parsed->Duration("interval"), std::chrono::seconds(10));
  EXPECT_EQ(parsed->Text("vhost"), "from-environment");
  EXPECT_EQ(parsed->Text("user"), "filer");
  EXPECT_EQ(parsed->Integer("concurrency"), 4);
  EXPECT_EQ(parsed->Origin("interval"), "--interval");
  EXPECT_EQ(parsed->Origin("vhost"), "WARREN_VHOST");
  EXPECT_EQ(parsed->Origin("user"), file.path() + ":4");
  EXPECT_EQ(parsed->Origin("concurrency"), "default");
}

TEST(Options, RepeatableOnesAreListsInEveryPlace) {
  const auto line = Parse({"--node", "a:1", "--node", "amqps://b:2"});
  ASSERT_TRUE(line);
  ASSERT_EQ(line->Endpoints("node").size(), 2u);
  EXPECT_TRUE(line->Endpoints("node")[1].tls);
  const auto environment = Parse({}, {"WARREN_NODE=a:1, b:2 c:3"});
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->List("node"), (std::vector<std::string>{"a:1", "b:2", "c:3"}));
  const ConfigFile file("node = a:1 b:2\nnode = c:3\nnode-address = rabbit@x=10.0.0.1:5673\n");
  const auto from_file = Parse({file.argument()});
  ASSERT_TRUE(from_file) << from_file.error().ToString();
  EXPECT_EQ(from_file->List("node").size(), 3u);
  EXPECT_EQ(from_file->NodeAddresses().at("rabbit@x").port, 5673);
}

TEST(Options, UnknownNamesSayWhereAndWhatIsMeant) {
  const auto line = Parse({"--intervall", "5s"});
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().code, ErrorCode::kUsage);
  EXPECT_NE(line.error().ToString().find("--interval"), std::string::npos);
  const auto environment = Parse({}, {"WARREN_INTERVALL=5s"});
  ASSERT_FALSE(environment);
  EXPECT_EQ(environment.error().code, ErrorCode::kConfiguration);
  EXPECT_NE(environment.error().ToString().find("WARREN_INTERVALL"), std::string::npos);
  EXPECT_NE(environment.error().ToString().find("WARREN_INTERVAL meant"), std::string::npos);
  const ConfigFile file("\ninterval=5s\nvhosst = x\n");
  const auto from_file = Parse({file.argument()});
  ASSERT_FALSE(from_file);
  EXPECT_NE(from_file.error().ToString().find(file.path() + ":3"), std::string::npos);
  EXPECT_NE(from_file.error().ToString().find("vhost meant"), std::string::npos);
}

TEST(Options, OtherProgramsAndClustersVariablesAreLeftAlone) {
  EXPECT_TRUE(
      Parse({}, {"WARREN_UPSTREAM=http://x", "WARREN_TEST_ANYTHING=1", "WARREN_PROXY_SERVICE_HOST=10.0.0.1",
                 "WARREN_PROXY_PORT_8080_TCP_ADDR=10.0.0.1", "WARREN_PROXY_PORT=tcp://10.0.0.1:80", "PATH=/bin"}));
}

TEST(Options, AbbreviationsAreNotGuessed) { EXPECT_FALSE(Parse({"--inter", "5s"})); }

TEST(Options, PasswordsHaveNoPlaceOnTheCommandLineOrInTheFile) {
  const auto line = Parse({"--password", "secret"});
  ASSERT_FALSE(line);
  EXPECT_NE(line.error().ToString().find("--password-file"), std::string::npos);
  EXPECT_EQ(line.error().ToString().find("secret"), std::string::npos);
  const ConfigFile file("password = secret\n");
  const auto from_file = Parse({file.argument()});
  ASSERT_FALSE(from_file);
  EXPECT_EQ(from_file.error().ToString().find("secret"), std::string::npos);
  const auto environment = Parse({}, {"WARREN_PASSWORD=secret"});
  ASSERT_TRUE(environment);
  ASSERT_NE(environment->password(), nullptr);
  EXPECT_EQ(*environment->password(), "secret");
  EXPECT_FALSE(Parse({"--management", "http://guest:secret@host:15672"}));
}

TEST(Options, EveryValueIsCheckedAndItsPlaceNamed) {
  const auto reason = [](const Result<Parsed>& parsed) { return parsed ? std::string() : parsed.error().ToString(); };
  EXPECT_NE(reason(Parse({"--interval", "soon"})).find("--interval: 'soon'"), std::string::npos);
  EXPECT_NE(reason(Parse({}, {"WARREN_CONCURRENCY=65"})).find("WARREN_CONCURRENCY: '65'"), std::string::npos);
  EXPECT_FALSE(Parse({"--concurrency", "0"}));
  EXPECT_FALSE(Parse({"--concurrency", "4x"}));
  EXPECT_FALSE(Parse({"--management", "ftp://x"}));
  EXPECT_FALSE(Parse({"--node-address", "127.0.0.1:5672"}));
  EXPECT_FALSE(Parse({"--log-format", "xml"}));
  EXPECT_FALSE(Parse({"--metrics-listen", "nowhere"}));
  EXPECT_FALSE(Parse({"--interval", "1s", "--interval", "2s"}));
  EXPECT_FALSE(Parse({"--interval"}));
  EXPECT_FALSE(Parse({"stray"}));
  EXPECT_FALSE(Parse({"--config", "/nonexistent/file"}));
  const ConfigFile twice("interval = 1s\ninterval = 2s\n");
  EXPECT_FALSE(Parse({twice.argument()}));
  const ConfigFile section("[section]\n");
  EXPECT_FALSE(Parse({section.argument()}));
}

TEST(Options, FlagsAndHelp) {
  EXPECT_TRUE(Parse({"--once"})->Flag("once"));
  EXPECT_FALSE(Parse({})->Flag("once"));
  EXPECT_TRUE(Parse({}, {"WARREN_ONCE=yes"})->Flag("once"));
  EXPECT_FALSE(Parse({}, {"WARREN_ONCE=maybe"}));
  EXPECT_TRUE(Parse({"--help"})->wants_help());
  const std::string help = Sample().Help();
  for (const char* text : {"--interval DURATION", "Default: 5s", "--password-file FILE", "May be repeated"}) {
    EXPECT_NE(help.find(text), std::string::npos) << text << "\n" << help;
  }
}

TEST(OptionSet, RepeatsNoPasswordFromTheCommandLine) {
  const auto given = Parse({"--password=s3cret"});
  ASSERT_FALSE(given);
  EXPECT_EQ(given.error().ToString().find("s3cret"), std::string::npos) << given.error().ToString();
  EXPECT_NE(given.error().ToString().find("--password-file"), std::string::npos) << given.error().ToString();
}

TEST(OptionSet, SuggestsTheOptionThatIsMeantAndNothingFarOff) {
  const auto misspelt = Parse({"--mangement=http://x"});
  ASSERT_FALSE(misspelt);
  EXPECT_NE(misspelt.error().ToString().find("--management"), std::string::npos) << misspelt.error().ToString();
  EXPECT_EQ(misspelt.error().ToString().find("http"), std::string::npos) << misspelt.error().ToString();
  const auto far_off = Parse({"--completely-different=1"});
  ASSERT_FALSE(far_off);
  EXPECT_EQ(far_off.error().ToString().find("meant"), std::string::npos) << far_off.error().ToString();
}

}  // namespace
}  // namespace warren::program
