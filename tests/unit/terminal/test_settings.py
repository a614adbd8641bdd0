from django.conf import settings


def test_a_lost_database_host_is_detected_within_seconds() -> None:
    options = settings.DATABASES["default"]["OPTIONS"]

    assert options["connect_timeout"] <= 5
    assert options["tcp_user_timeout"] <= 10_000
    assert options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"] <= 15
