"""Sessions with servers, opened anew when they break, and what is spoken in them: FTP, SFTP and SMB."""
