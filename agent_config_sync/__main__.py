from agent_config_sync.cli.main import app

if __name__ == "__main__":
    app()
