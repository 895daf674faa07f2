"""What a storage queue's URL says, and which texts are none."""

import pytest

from externalsecret.errors import GiveUp
from listener.sources.storagequeueurl import StorageQueueUrl, parse_storage_queue_url


@pytest.mark.parametrize(
    ("url", "endpoint", "account", "name"),
    [
        (
            "https://shop.queue.core.windows.net/changes",
            "https://shop.queue.core.windows.net",
            "shop",
            "changes",
        ),
        (
            "https://Shop.queue.core.windows.net:443/Changes-1/",
            "https://shop.queue.core.windows.net:443",
            "shop",
            "changes-1",
        ),
        (
            "https://shop.z22.queue.storage.azure.net/changes",
            "https://shop.z22.queue.storage.azure.net",
            "shop",
            "changes",
        ),
        (
            "https://shop.queue.core.chinacloudapi.cn/changes",
            "https://shop.queue.core.chinacloudapi.cn",
            "shop",
            "changes",
        ),
        (
            "https://shop.queue.core.usgovcloudapi.net/changes",
            "https://shop.queue.core.usgovcloudapi.net",
            "shop",
            "changes",
        ),
        (
            "http://127.0.0.1:10001/devstoreaccount1/changes",
            "http://127.0.0.1:10001/devstoreaccount1",
            "devstoreaccount1",
            "changes",
        ),
        ("https://[::1]:8/account/changes", "https://[::1]:8/account", "account", "changes"),
        ("https://queues.example.com/changes", "https://queues.example.com", "queues", "changes"),
    ],
)
def test_a_url_names_account_queue_and_endpoint(
    url: str, endpoint: str, account: str, name: str
) -> None:
    queue = parse_storage_queue_url(url)
    assert queue == StorageQueueUrl(endpoint, account, name)
    assert queue.label == f"storagequeue:{account}/{name}"
    assert queue.url == f"{endpoint}/{name}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "changes",
        "/subscriptions/0/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/shop",
        "http://shop.queue.core.windows.net/changes",
        "https://shop.queue.core.windows.net/",
        "https://shop.queue.core.windows.net/a",
        "https://shop.queue.core.windows.net/two--hyphens",
        "https://shop.queue.core.windows.net/shop/changes",
        "https://shop.queue.core.windows.net:port/changes",
        "ftp://shop.queue.core.windows.net/changes",
    ],
)
def test_what_is_no_queues_url_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(GiveUp, match=r"https://account\.queue\.core\.windows\.net/name") as caught:
        parse_storage_queue_url(text)
    assert caught.value.reason == "InvalidSetting"


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.queue.core.windows.net/changes?sv=2026&sig=hunter2",
        "https://user:hunter2@shop.queue.core.windows.net/changes",
        "https://shop.queue.core.windows.net/changes#hunter2",
        "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=hunter2",
    ],
)
def test_a_credential_in_the_url_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(GiveUp, match="HARK_AZURE_STORAGE_CONNECTION_STRING") as caught:
        parse_storage_queue_url(text)
    assert "hunter2" not in str(caught.value)
