"""The protocols that nobody else speaks for Airflow, or not so that a long push can rely on it: FTP, SFTP and SMB."""
