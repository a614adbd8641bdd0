from django.conf import settings


def test_a_database_machine_that_is_gone_is_noticed_in_seconds() -> None:
    options = settings.DATABASES["default"]["OPTIONS"]

    assert options["connect_timeout"] <= 5
    assert options["tcp_user_timeout"] <= 10_000
    assert options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"] <= 15
