# config/puma.rb of an application behind warren-worker. Threads times workers is the worker's --concurrency.
threads_count = Integer(ENV.fetch("RAILS_MAX_THREADS", 5))
threads threads_count, threads_count
workers Integer(ENV.fetch("WEB_CONCURRENCY", 0))
bind "tcp://127.0.0.1:#{ENV.fetch("PORT", 3000)}"
environment ENV.fetch("RACK_ENV", "production")

# Longer than the worker's --upstream-idle-timeout, so that it is never Puma that closes an idle connection.
persistent_timeout 20
# SIGTERM: requests under way are finished, within this time.
force_shutdown_after 30
raise_exception_on_sigterm false

# A Rails application leaves the next line out: Puma finds its config.ru.
rackup File.expand_path("config.ru", __dir__)
